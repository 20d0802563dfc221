"""Done as docs/first-task.md says: a file and a queue are all that a task takes, and nothing else changes."""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest
import yaml

from infra.local import images
from infra.local.state import REPOSITORY
from tests.harness.inside import run_inside
from tests.harness.page import read, write
from tests.harness.waiting import eventually

PAGE = REPOSITORY / "docs" / "first-task.md"
ORDER, TOO_MUCH = "8a316501-e7df-5a55-bdfa-64d1c8570655", "5f1d0a4e-3c39-4f7e-8d0a-0d6f2b0c7a11"
MINUTES = 60.0
#: Not the name of the stack that the machine may have already, whose data would be removed with this one's.
PROJECT = "millrace-first-task"
GATEWAY = "https://localhost:8443"


@dataclass(frozen=True)
class Tree:
    """A copy of the tree, with what the page adds."""

    root: Path
    commands: tuple[str, ...]

    def shell(self, script: str, *, within_seconds: float = 10 * MINUTES) -> str:
        """What a shell prints that runs this there."""
        done = subprocess.run(
            ["bash", "-ec", script],
            cwd=self.root,
            env=os.environ | {"MILLRACE_PROJECT": PROJECT},
            text=True,
            capture_output=True,
            timeout=within_seconds,
            check=False,
        )
        assert done.returncode == 0, f"{script}\nended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def http(self) -> httpx.Client:
        """The gateway, with the key and the CA that the page names."""
        client = self.root / ".millrace" / "secrets" / "client"
        key = (client / "api_key").read_text().strip()
        trusted = ssl.create_default_context(cafile=client / "ca.crt")
        return httpx.Client(base_url=GATEWAY, headers={"X-API-Key": key}, verify=trusted, timeout=60)

    def query(self, statement: str) -> str:
        """What PostgreSQL's own superuser reads, in its container."""
        return _inside("postgresql", "psql", "--no-psqlrc", "-Atd", "millrace", "-c", statement)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """What git knows, as it is now, and what the page says; the stack and its data are removed."""
    assert not _listens(), "something listens on port 8443 already; end it first: `make down`"
    root = tmp_path_factory.mktemp("first-task") / "millrace"
    # The containers' user must reach the secrets below.
    for part in (root.parent, root.parent.parent):
        part.chmod(0o711)
    names = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (REPOSITORY / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, root / name)
    todo = read(PAGE)
    write(todo, root)
    made = Tree(root, todo.commands)
    try:
        yield made
    finally:
        made.shell("make down PURGE=1")
        _forget_image(root)


def _forget_image(root: Path) -> None:
    """The image with the page's task, which is the latest one now, too."""
    (built,) = re.findall(r"^MILLRACE_IMAGE_APP=(\S+)$", (root / ".millrace" / "compose.env").read_text(), re.MULTILINE)
    client = docker.from_env()
    client.images.get(images.tag(images.APP)).tag("millrace-app", "latest")
    client.images.remove(built, force=True)


def _inside(service: str, *command: str) -> str:
    labels = [f"com.docker.compose.project={PROJECT}", f"com.docker.compose.service={service}"]
    (container,) = docker.from_env().containers.list(filters={"label": labels})
    code, said = run_inside(container, command)
    assert code == 0, said
    return said.strip()


def _listens() -> bool:
    try:
        httpx.get(GATEWAY, verify=False, timeout=60)  # noqa: S501 - only whether somebody is there
    except httpx.ConnectError:
        return False
    return True


def _jobs(said: str) -> list[str]:
    decoder, jobs = json.JSONDecoder(), []
    for part in said.split('{"job_id"')[1:]:
        body, _ = decoder.raw_decode('{"job_id"' + part)
        jobs.append(body["job_id"])
    return jobs


def _finished(tree: Tree, job_id: str, state: str) -> dict[str, Any]:
    with tree.http() as client:

        def job() -> dict[str, Any] | None:
            found: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").raise_for_status().json()
            return found if found["state"] == state else None

        return eventually(job, what=f"job {job_id} is {state}", tolerate=(httpx.HTTPError,))


def test_the_page_is_short() -> None:
    """It is read in two minutes."""
    assert len(PAGE.read_text().splitlines()) <= 60


def test_the_page_as_it_stands(tree: Tree) -> None:
    """The task runs once, its poison dies with its reason, and runs once when it is mended and replayed."""
    start, fail, mend = tree.commands
    first, second = _jobs(tree.shell(start))
    for job_id in (first, second):
        done = _finished(tree, job_id, "succeeded")
        assert (done["task"], done["queue"], done["counts"]["executed"]) == ("send_invoice", "invoices", 1)
    assert tree.query("SELECT * FROM tasks.invoices") == f"{ORDER}|7"

    settings = start[start.index("key=") : start.index("\npost '")]
    (poison,) = _jobs(tree.shell(settings + "\n" + fail))
    dead = _finished(tree, poison, "dead_lettered")
    assert dead["last_error"]["reason"] == "failed"
    assert dead["last_error"]["message"].endswith("more than 1000")
    assert "send_invoice" in tree.shell('make operate RUN="dead-letters list"')

    tree.shell(mend)
    _finished(tree, poison, "succeeded")
    assert tree.query("SELECT * FROM tasks.invoices ORDER BY amount") == f"{ORDER}|7\n{TOO_MUCH}|2000"

    with tree.http() as client:
        assert client.post("/v1/tasks/send_invoice", json={"order_id": ORDER, "amount": 0}).status_code == 422
        assert client.post("/v1/tasks/no_such_task", json={}).status_code == 404
        document = client.get("/openapi.json").json()
    assert document["components"]["schemas"]["Invoice"]["properties"]["amount"]["minimum"] == 1


def test_everything_else_knows_the_queue(tree: Tree) -> None:
    """Metrics at zero, alert rules, and in a rendered stack its pool, scaler, policies and the broker's definitions."""
    counted = 'celery_task_outcomes_total{queue="invoices", task="send_invoice", outcome="failed"}'
    config = "--http.config.file=/run/secrets/millrace/probe.yml"
    ask = ("promtool", "query", "instant", config, "https://localhost:9090", counted)
    eventually(lambda: "send_invoice" in _inside("prometheus", *ask), what="Prometheus counts the task")
    tree.shell("make render STACK=staging OUT=out/staging")
    made = [
        document
        for file in sorted((tree.root / "out" / "staging").rglob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text())
        if document
    ]
    named = {(one["kind"], one["metadata"]["name"]) for one in made}
    assert {("Deployment", "worker-invoices"), ("PodDisruptionBudget", "worker-invoices")} <= named
    kinds = {one["kind"] for one in made if "worker-invoices" in json.dumps(one)}
    assert {"NetworkPolicy", "HorizontalPodAutoscaler"} <= kinds
    assert any("invoices.dead" in json.dumps(one) for one in made), "the broker's definitions"
    assert any(one["kind"] == "PrometheusRule" and "invoices" in json.dumps(one) for one in made)
