"""One container of a stack: testcontainers' with the verbs that faults need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from docker.errors import APIError
from docker.models.containers import Container
from requests import RequestException
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from app import contract
from app.failpoints import Failpoint
from chaos.components import DRILLS_OPEN, PROJECT_LABEL, SERVICE_LABEL
from tests.harness import cleanup
from tests.harness.inside import run_inside
from tests.harness.services import Service
from tests.harness.waiting import PATIENCE_SECONDS, eventually

_HEARTBEATS = "/tmp/heartbeats"  # noqa: S108 - in the container


class Machine:
    """A service's container: started as compose would start it, less the restart policy, because a fault must last."""

    def __init__(
        self,
        service: Service,
        network: Network,
        prefix: str,
        *,
        environment: Mapping[str, str] | None = None,
        ports: Mapping[int, int] | None = None,
        mounts: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
        command: tuple[str, ...] | None = None,
        heartbeats: Path | None = None,
    ) -> None:
        """Describe it; nothing starts yet. `heartbeats` is a folder of the host for its heartbeat."""
        self.service = service
        #: Not as compose says, in more than its environment: never to be used by the next test.
        self.special = bool(mounts or options or command)
        self.environment = {**service.environment, **(environment or {})}
        self._container = DockerContainer(service.image).with_envs(**self.environment).with_network(network)
        # A look at a file of the host costs nothing; one into the container costs a tenth of a second of processor.
        self._heartbeat = heartbeats / f"{prefix}-{service.name}.json" if heartbeats else None
        if self._heartbeat:
            self._container.with_env("MILLRACE_HEARTBEAT_FILE", f"{_HEARTBEATS}/{self._heartbeat.name}")
            self._container.with_volume_mapping(str(heartbeats), _HEARTBEATS, "rw")
        self._container.with_network_aliases(*service.aliases).with_name(f"{prefix}-{service.name}")
        words = command if command is not None else service.command
        if words:
            self._container.with_command(list(words))
        for source, target in {**service.mounts, **(mounts or {})}.items():
            self._container.with_volume_mapping(source, target, "ro")
        for path in service.tmpfs:
            self._container.with_tmpfs_mount(path)
        # Loopback only: Docker takes an address too, which neither `with_bind_ports` nor the attribute's type can say.
        published: dict[str, Any] = {str(inside): ("127.0.0.1", outside) for inside, outside in (ports or {}).items()}
        self._container.ports = published
        self._container.with_kwargs(**{**service.options, **(options or {})}, labels=self._labels(prefix))

    def _labels(self, prefix: str) -> dict[str, str]:
        """As Compose writes them: drills find containers by them."""
        made = {PROJECT_LABEL: prefix, SERVICE_LABEL: self.service.name, contract.DRILLS_LABEL: DRILLS_OPEN}
        return {**cleanup.labels(), **made}

    def start(self) -> None:
        """Create and start it."""
        self._forget_heartbeat()
        self._container.start()

    def remove(self) -> None:
        """Kill it and take its data away."""
        try:
            self._container.stop(force=True, delete_volume=True)
        except APIError as error:
            if error.status_code not in {404, 409}:
                raise

    @property
    def docker(self) -> Container:
        """Docker's own view of it."""
        return self._container.get_wrapped_container()

    @property
    def state(self) -> dict[str, Any]:
        """Docker's `State`: Running, ExitCode, OOMKilled, ..."""
        self.docker.reload()
        state: dict[str, Any] = self.docker.attrs["State"]
        return state

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return bool(self.state["Running"])

    def kill(self) -> None:
        """SIGKILL to all of it."""
        self.docker.kill("SIGKILL")

    def stop(self, *, timeout: int = 10) -> None:
        """SIGTERM, then SIGKILL after `timeout`."""
        self.docker.stop(timeout=timeout)

    def start_again(self) -> None:
        """Start it after a kill or a stop, with its data."""
        self._forget_heartbeat()
        self.docker.start()

    def pause(self) -> None:
        """Freeze all of it. On a busy machine Docker may give up ("unable to freeze"); then it is asked again."""

        def freeze() -> bool:
            self.docker.pause()
            return True

        eventually(freeze, what=f"{self.service.name} is frozen", tolerate=(APIError,))

    def unpause(self) -> None:
        """Let it go on."""
        self.docker.unpause()

    def wait_ended(self, *, within: float = PATIENCE_SECONDS) -> int:
        """Wait until it has ended; returns the exit code.

        Raises:
            AssertionError: it still runs.
        """
        try:
            return int(self.docker.wait(timeout=within)["StatusCode"])
        except RequestException as error:
            raise AssertionError(f"not within {within:g} s: {self.service.name} ends") from error

    def logs(self, tail: int | Literal["all"] = "all") -> str:
        """What it wrote, both streams."""
        return self.docker.logs(tail=tail).decode(errors="replace")

    def lines(self) -> list[dict[str, Any]]:
        """Its log as JSON objects, one a line; a line that is none is an error."""
        return [json.loads(line) for line in self.docker.logs(stderr=False).decode().splitlines() if line.strip()]

    def execute(self, *command: str) -> str:
        """Run a command inside; returns what it printed.

        Raises:
            AssertionError: it failed.
        """
        code, text = run_inside(self.docker, command)
        assert code == 0, f"{self.service.name}: {command} ended with {code}: {text}"
        return text

    def heartbeat(self) -> str:
        """The state that its heartbeat says; empty before the first."""
        assert self._heartbeat, f"{self.service.name} has no heartbeat"
        return str(json.loads(self._heartbeat.read_text())["state"]) if self._heartbeat.exists() else ""

    def beat_at(self) -> int:
        """When its last heartbeat was written, in nanoseconds."""
        assert self._heartbeat, f"{self.service.name} has no heartbeat"
        return self._heartbeat.stat().st_mtime_ns

    def _forget_heartbeat(self) -> None:
        """Remove what an earlier run of this container wrote."""
        if self._heartbeat:
            self._heartbeat.unlink(missing_ok=True)

    def consuming(self) -> bool:
        """Whether its heartbeat says that it does its work."""
        return self.heartbeat() == "consuming"

    def healthy(self) -> bool:
        """Whether its own health check is content."""
        return bool(self.docker.exec_run(list(self.service.health)).exit_code == 0)

    def crashed_at(self, point: Failpoint) -> bool:
        """Whether one of its processes died at a crash point."""
        code, _ = self.docker.exec_run(["test", "-e", f"/tmp/millrace-crashed-at-{point}"])  # noqa: S108 - in it
        return bool(code == 0)

    def processes(self) -> dict[int, int]:
        """Pid to parent's pid, as seen inside."""
        listing = self.execute("sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null || true")
        found = {}
        for line in listing.splitlines():
            pid, _, rest = line.partition(" (")
            fields = rest.rpartition(") ")[2].split()
            found[int(pid)] = int(fields[1])
        return found

    def kill_parent(self) -> None:
        """SIGKILL to the process itself, which is the child of the container's init."""
        parents = [pid for pid, parent in self.processes().items() if parent == 1]
        self.docker.exec_run(["sh", "-c", f"kill -9 {min(parents)}"])

    def kill_child(self) -> int:
        """SIGKILL to one of its pool's children; returns the pid. One that is just being replaced is not there."""

        def killed() -> int | None:
            table = self.processes()
            main = min(pid for pid, parent in table.items() if parent == 1)
            child = min((pid for pid, parent in table.items() if parent == main), default=0)
            return child if child and run_inside(self.docker, ("sh", "-c", f"kill -9 {child}"))[0] == 0 else None

        return eventually(killed, what=f"a child of {self.service.name} is killed")
