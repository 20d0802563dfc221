"""Containers of one compose project: found by label, killed, started. Nothing outside the project is ever touched."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import docker
import docker.errors
from docker.models.containers import Container

from chaos.errors import ChaosError, NotConfirmedError, NotSupportedError, TargetMissingError
from chaos.management import Management, local_access
from chaos.waiting import wait_until

_PROJECT_LABEL = "com.docker.compose.project"
_SERVICE_LABEL = "com.docker.compose.service"
DEFAULT_PROJECT = "millrace"
#: A kill is seen by the engine within milliseconds; this bounds a hung engine.
_KILL_SECONDS = 10.0
#: Any, because the stubs' name for this is private to them.
_NO_RESTART: Any = {"Name": "no"}


def project_name() -> str:
    """The compose project that may be touched: as `make up` has it, or as compose itself has it."""
    return os.environ.get("MILLRACE_PROJECT") or os.environ.get("COMPOSE_PROJECT_NAME") or DEFAULT_PROJECT


class ComposeTarget:
    """The stack of this checkout."""

    def management(self) -> Management:
        """By the ports that compose publishes."""
        return Management(local_access())

    def broker(self, host: str) -> ComposeNode:
        """The service of the node's name."""
        return ComposeNode.find(host, project_name())


class ComposeNode:
    """The container of one service, while a drill has it in hand."""

    def __init__(self, container: Container) -> None:
        """Remember how the container was, to leave it so."""
        self._container = container
        self._restart_policy: Any = container.attrs["HostConfig"].get("RestartPolicy") or _NO_RESTART
        self._started_at = str(container.attrs["State"]["StartedAt"])

    @classmethod
    def find(cls, service: str, project: str) -> ComposeNode:
        """The running container of a service.

        Raises:
            TargetMissingError: there is none, or more than one.
        """
        try:
            found = docker.from_env().containers.list(
                filters={"label": [f"{_PROJECT_LABEL}={project}", f"{_SERVICE_LABEL}={service}"], "status": "running"}
            )
        except docker.errors.DockerException as error:
            message = f"Docker does not answer: {error}"
            raise TargetMissingError(message) from error
        if len(found) != 1:
            message = f"{len(found)} running containers of service {service} in project {project}."
            raise TargetMissingError(message)
        return cls(found[0])

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self._container.name)

    @property
    def running(self) -> bool:
        """Whether it runs, as the engine says now."""
        self._container.reload()
        return bool(self._container.attrs["State"]["Running"])

    @property
    def still_dead(self) -> bool:
        """Whether it is down and was not up in between, however short: the time of its last start has not moved."""
        return not self.running and str(self._container.attrs["State"]["StartedAt"]) == self._started_at

    @property
    def exit_code(self) -> int:
        """How it ended: 137 is SIGKILL."""
        self._container.reload()
        return int(self._container.attrs["State"]["ExitCode"])

    def run(self, command: list[str]) -> str:
        """Run a command inside and return what it said.

        Raises:
            ChaosError: it failed.
        """
        result = self._container.exec_run(command)
        code, output = result.exit_code, result.output
        said = output.decode(errors="replace").strip() if isinstance(output, bytes) else ""
        if code != 0:
            message = f"{' '.join(command[:2])} in {self.name}: {said[-300:]}"
            raise ChaosError(message)
        return said

    def kill(self) -> float:
        """SIGKILL every process in it, and return when (Unix time).

        The restart policy is taken off first: the engine must not bring it back while it is to be dead.

        Raises:
            NotConfirmedError: it is still running.
        """
        self._container.update(restart_policy=_NO_RESTART)
        killed_at = time.time()
        self._container.kill(signal="SIGKILL")
        if not wait_until(lambda: not self.running, _KILL_SECONDS, every_seconds=0.05):
            message = f"{self.name} still runs."
            raise NotConfirmedError(message)
        return killed_at

    def start(self) -> float:
        """Start it again with the policy it had, and return when. A second Ctrl-C waits until that is done."""
        signals = {signal.SIGINT, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        try:
            if not self.running:
                self._container.start()
            self._container.update(restart_policy=self._restart_policy)
            return time.time()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)

    def pause(self) -> float:
        """Freeze every process in it, and return when."""
        self._container.pause()
        return time.time()

    def resume(self) -> float:
        """Thaw them, and return when."""
        self._container.unpause()
        return time.time()

    def cut_off(self) -> float:
        """Not here: containers on one network reach each other, or nobody.

        Raises:
            NotSupportedError: always.
        """
        message = "Containers cannot be cut off from some of their network only: say --target kubernetes."
        raise NotSupportedError(message)

    def join(self) -> float:
        """Nothing was cut."""
        return time.time()
