"""A measurement's containers: a peer's, made from the application's image, and Millrace's own, which rest meanwhile.

A peer has a schema, a virtual host and a user of its own for one run. They are removed at the end.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import docker
import docker.errors
from docker.models.containers import Container

from app import contract
from loadtests.errors import HarnessError, NotReadyError
from loadtests.peers.contender import Peer

REPOSITORY = Path(__file__).parents[2]
NAME = "peers"
PORT = 18080
_PROJECT, _SERVICE = "com.docker.compose.project", "com.docker.compose.service"
#: What is shared: these run all the time, whoever is measured.
_SHARED = ("rabbitmq", "postgresql")
_SCHEMA = """
DROP SCHEMA IF EXISTS peers CASCADE;
CREATE SCHEMA peers AUTHORIZATION worker;
CREATE TABLE peers.effects (id uuid NOT NULL, event jsonb NOT NULL, executed_at timestamptz DEFAULT clock_timestamp());
ALTER TABLE peers.effects OWNER TO worker;
GRANT USAGE ON SCHEMA peers TO auditor;
GRANT SELECT ON peers.effects TO auditor;
"""


class Machines:
    """The stack's containers, and the peers' between their start and their end."""

    def __init__(self, project: str, state: Path, packages: Path) -> None:
        """Look the stack's containers up.

        Raises:
            NotReadyError: there are none.
        """
        self._client = docker.from_env()
        self._state, self._packages = state.resolve(), packages
        self._password = secrets.token_urlsafe(16)
        found = self._client.containers.list(filters={"label": f"{_PROJECT}={project}"})
        self._stack = {one.labels[_SERVICE]: one for one in found}
        if "gateway" not in self._stack:
            raise NotReadyError(f"There is no stack {project}.")

    @property
    def shared(self) -> dict[str, Container]:
        """Of everybody: RabbitMQ's nodes and PostgreSQL."""
        return {name: one for name, one in self._stack.items() if name.startswith(_SHARED)}

    @property
    def ours(self) -> dict[str, Container]:
        """What else Millrace consists of."""
        return {name: one for name, one in self._stack.items() if name not in self.shared}

    def rest(self) -> None:
        """Stop Millrace's own processes, so that they cost the peers nothing."""
        with ThreadPoolExecutor(16) as threads:
            list(threads.map(lambda one: one.stop(timeout=30), self.ours.values()))

    def work(self) -> None:
        """Start them again, and wait until those that say how they are say that they are well."""
        with ThreadPoolExecutor(16) as threads:
            list(threads.map(lambda one: one.start(), self.ours.values()))
        wait(lambda: all(_well(one) for one in self.ours.values()), seconds=180, what="Millrace is well again")

    @contextmanager
    def surroundings(self) -> Iterator[None]:
        """The peers' user; the rest is made for each of them."""
        self._forget()
        if NAME in self._rabbitmqctl("--quiet", "list_users").split():
            self._rabbitmqctl("delete_user", NAME)
        self._rabbitmqctl("add_user", NAME, self._password)
        try:
            yield
        finally:
            self._forget()
            self._rabbitmqctl("delete_user", NAME)

    @contextmanager
    def running(self, peer: Peer) -> Iterator[dict[str, Container]]:
        """A peer's gateway and worker, with a schema and a virtual host in which no other peer left anything."""
        made: dict[str, Container] = {}
        try:
            self._psql(_SCHEMA)
            self._rabbitmqctl("add_vhost", NAME, "--default-queue-type", "classic")
            self._rabbitmqctl("set_permissions", "-p", NAME, NAME, ".*", ".*", ".*")
            if peer.prepare:
                done = self._start("prepare", peer.prepare)
                if code := done.wait(timeout=60)["StatusCode"]:
                    said = done.logs(tail=5).decode()
                    raise HarnessError(f"{peer.title}: its schema was not made, exit code {code}: {said}")
            made["worker"] = self._start("worker", peer.worker)
            made["gateway"] = self._start("gateway", peer.gateway, ports={"8080/tcp": ("127.0.0.1", PORT)})
            yield made
        finally:
            self._forget()

    def empty(self) -> None:
        """No effects from before."""
        self._psql("TRUNCATE peers.effects")

    def leader(self, queue: str, vhost: str = NAME) -> Container:
        """The node that leads a queue, or that alone has it."""
        for kind in ("leader", "pid"):
            said = self._rabbitmqctl("--quiet", "list_queues", "-p", vhost, "name", kind)
            for line in said.splitlines():
                name, _, where = line.partition("\t")
                for service, container in self.shared.items():
                    if name == queue and f"rabbit@{service}" in where:
                        return container
        raise HarnessError(f"RabbitMQ does not say which node has the queue {queue}: {said[:300]}")

    def _start(self, role: str, command: Sequence[str], **options: Any) -> Container:
        worker = self._stack[f"worker-{contract.EVENT_QUEUE}"]
        network = next(iter(worker.attrs["NetworkSettings"]["Networks"]))
        return self._client.containers.run(
            worker.attrs["Config"]["Image"],
            entrypoint=["tini", "--"],
            command=list(command),
            name=f"millrace-{NAME}-{role}",
            labels={NAME: role},
            network=network,
            environment={
                "PYTHONPATH": "/work:/packages",
                "PEERS_NAME": NAME,
                "PEERS_PASSWORD": self._password,
            },
            volumes={
                str(REPOSITORY / "loadtests"): {"bind": "/work/loadtests", "mode": "ro"},
                str(self._packages): {"bind": "/packages", "mode": "ro"},
                str(self._state / "secrets" / "worker"): {"bind": "/run/secrets/millrace", "mode": "ro"},
            },
            tmpfs={"/tmp": ""},  # noqa: S108 - in a container
            working_dir="/tmp",  # noqa: S108 - in a container
            detach=True,
            **options,
        )

    def _forget(self) -> None:
        for one in self._client.containers.list(all=True, filters={"label": NAME}):
            one.remove(force=True)
        self._psql("DROP SCHEMA IF EXISTS peers CASCADE")
        if NAME in self._rabbitmqctl("--quiet", "list_vhosts").split():
            self._rabbitmqctl("delete_vhost", NAME)

    def _psql(self, sql: str) -> str:
        words = ("psql", "-h", "/run/postgresql", "-d", "millrace", "-v", "ON_ERROR_STOP=1", "--quiet", "-c", sql)
        return _execute(self._stack["postgresql"], words)

    def _rabbitmqctl(self, *words: str) -> str:
        """At whichever node answers: one that was killed is started, but not yet back."""
        wrong: HarnessError | None = None
        for name, node in self.shared.items():
            try:
                if name.startswith("rabbitmq") and _runs(node):
                    return _execute(node, ("rabbitmqctl", *words))
            except HarnessError as error:
                wrong = error
        raise wrong or HarnessError("No node of RabbitMQ runs.")


def wait(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Until it holds.

    Raises:
        HarnessError: it did not in that time.
    """
    ends_at = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends_at:
            raise HarnessError(f"{what}: not within {seconds:g} s.")
        time.sleep(0.2)


def processor_seconds(containers: Mapping[str, Container]) -> dict[str, float]:
    """What each container has used since its start, by Docker's account."""
    with ThreadPoolExecutor(16) as threads:
        stats = threads.map(lambda one: one.stats(stream=False, one_shot=True), containers.values())
        return {
            name: each["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
            for name, each in zip(containers, stats, strict=True)
        }


def _runs(container: Container) -> bool:
    container.reload()
    return bool(container.attrs["State"]["Running"])


def _well(container: Container) -> bool:
    container.reload()
    state = container.attrs["State"]
    return bool(state["Running"]) and (state.get("Health") or {}).get("Status", "healthy") == "healthy"


def _execute(container: Container, words: Sequence[str]) -> str:
    code, output = container.exec_run(list(words))
    said = cast("bytes", output).decode(errors="replace")
    if code:
        raise HarnessError(f"{words[0]} in {container.name} ended with {code}: {said[-500:]}")
    return said
