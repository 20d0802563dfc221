"""Diagnosis and verification of every runbook on a running local stack, and the metrics that its alerts read."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from app import contract
from infra.local import folders
from infra.local.state import REPOSITORY
from infra.observability import alerts, targets
from tests.harness import runbooks
from tests.harness.ports import free_port
from tests.harness.waiting import eventually

PYTHON = ".venv/bin/python"
PORTS = (
    "AMQPS_1", "AMQPS_2", "AMQPS_3", "MANAGEMENT_1", "MANAGEMENT_2", "MANAGEMENT_3", "POSTGRESQL", "REDIS", "GATEWAY",
    "FLOWER", "PROMETHEUS",
)  # fmt: skip
#: Beside each other; each waits for its container most of the time.
AT_ONCE = 4
WITHIN_SECONDS = 600
SELECTOR = re.compile(r"([a-z_]\w*)\{job=~?\"")
#: Histograms of tasks have their series from the first run on.
_WHEN_IT_HAPPENS = frozenset(
    {"celery_task_run_seconds_bucket", "celery_task_run_seconds_count", "millrace_pause_age_seconds"}
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The environment of a local stack with a name, ports and data of its own."""
    root = tmp_path_factory.mktemp("runbooks")
    # The containers' user must reach the secrets below.
    for part in (root, root.parent):
        part.chmod(0o711)
    own = {f"MILLRACE_PORT_{name}": str(free_port()) for name in PORTS}
    own |= {"MILLRACE_PROJECT": "millrace-runbooks", "MILLRACE_STATE_DIR": str(root / "state")}
    whole = os.environ | own
    try:
        up = _shell(f"{PYTHON} -m infra.local up", whole)
        assert up.returncode == 0, up.stdout + up.stderr
        yield whole
    finally:
        _shell(f"{PYTHON} -m infra.local down --purge", whole)


def _shell(command: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command],
        cwd=REPOSITORY, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=WITHIN_SECONDS, check=False,
    )  # fmt: skip


def _commands() -> list[str]:
    """The commands that only look, each once; those with something to fill in are left out."""
    found = [
        one.text
        for page in runbooks.pages()
        for one in runbooks.commands(page)
        if one.place == "compose" and one.section in {"Diagnosis", "Verification"}
    ]
    return [one for one in dict.fromkeys(found) if not re.search(r"\bID\b", one)]


def test_every_command_works(environment: Mapping[str, str]) -> None:
    """Each command succeeds and prints something."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ended = list(pool.map(lambda command: _shell(command, environment), _commands()))

    failed = [
        f"$ {command}\nended with {done.returncode}:\n{done.stdout}{done.stderr}"
        for command, done in zip(_commands(), ended, strict=True)
        if done.returncode or "Traceback" in done.stdout
    ]
    assert not failed, "\n\n".join(failed)


def test_prometheus_has_what_the_alerts_read(environment: Mapping[str, str]) -> None:
    """Each metric exists under the jobs that the rules select; without it an alert would be silent for ever."""
    target = targets.compose(folders.RABBITMQ_NODES, contract.queues())
    rules = [rule for group in alerts.rule_groups(target, contract.queues()) for rule in group["rules"]]
    wanted = {metric for rule in rules for metric in SELECTOR.findall(rule["expr"])} - _WHEN_IT_HAPPENS

    def seen() -> set[str]:
        query = f'count by (__name__) ({{__name__=~"{"|".join(sorted(wanted))}", {_jobs(target)}}})'
        asked = (
            f"{PYTHON} -m infra.local compose exec -T prometheus promtool query instant "
            f"--http.config.file=/run/secrets/millrace/probe.yml https://localhost:9090 '{query}'"
        )
        return set(re.findall(r"[a-z_]\w+", _shell(asked, environment).stdout)) & wanted

    eventually(lambda: seen() == wanted, what=f"series of {sorted(wanted)}", every=5, within=120)


def _jobs(target: targets.Target) -> str:
    return f'job=~"{"|".join(one.job for one in target.watched)}"'
