"""Ports of a cluster on this machine's loopback interface, by `kubectl port-forward`, kept open whatever pods do."""

from __future__ import annotations

import atexit
import shutil
import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from loadtests.errors import NotReadyError

#: What kubectl says when the pod that it forwards to is gone. It lives on then, and no connection works any more.
LOST = ("lost connection to pod", "error forwarding", "error occurred forwarding", "error creating")
_AGAIN_SECONDS = 0.5
_OPEN_SECONDS = 30.0
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubectl:
    """The program and whom it speaks to."""

    program: str
    kubeconfig: str | None
    context: str | None

    def forward(self, namespace: str, resource: str, port: int, local: int) -> tuple[str, ...]:
        """The command that forwards one port."""
        return (
            self.program,
            *(("--kubeconfig", self.kubeconfig) if self.kubeconfig else ()),
            *(("--context", self.context) if self.context else ()),
            *("--namespace", namespace, "port-forward", "--address", _LOOPBACK, resource, f"{local}:{port}"),
        )


class Forward:
    """One forwarded port, always the same one here: its process is started again when it ends or has lost its pod."""

    def __init__(self, kubectl: Kubectl, namespace: str, resource: str, port: int) -> None:
        """Start it; `wait` until it is open."""
        self.port = free_port()
        self._name = f"{namespace}/{resource}:{port}"
        self._command = (*_dying_with_parent(), *kubectl.forward(namespace, resource, port, self.port))
        self._said = "nothing"
        self._ended = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._watcher = threading.Thread(target=self._watch, name=f"forward {self._name}", daemon=True)
        self._watcher.start()
        # An interrupt may come at any time; what is started here ends with us.
        atexit.register(self.close)

    def wait(self) -> None:
        """Return when connections are taken.

        Raises:
            NotReadyError: they are not; with what kubectl says.
        """
        again = Retrying(
            stop=stop_after_delay(_OPEN_SECONDS), wait=wait_fixed(0.1), retry=retry_if_exception_type(OSError)
        )
        try:
            again(self._connect)
        except RetryError as error:
            raise NotReadyError(f"kubectl cannot forward {self._name}: {self._said}") from error

    def renew(self) -> None:
        """Start it again now: somebody found that it does not work."""
        if (process := self._process) is not None:
            process.kill()

    def close(self) -> None:
        """End it."""
        atexit.unregister(self.close)
        self._ended.set()
        self.renew()
        self._watcher.join()

    def _connect(self) -> None:
        with closing(socket.create_connection((_LOOPBACK, self.port), timeout=2)):
            pass

    def _watch(self) -> None:
        while not self._ended.is_set():
            with subprocess.Popen(  # noqa: S603 - our own words
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C is for the harness, which still reads through this
            ) as process:
                self._process = process
                if self._ended.is_set():
                    process.kill()
                for line in process.stderr or ():
                    self._said = line.strip()
                    if any(words in line for words in LOST):
                        process.kill()
            self._ended.wait(_AGAIN_SECONDS)


def free_port() -> int:
    """A port of the loopback interface that nobody has."""
    with closing(socket.socket()) as found:
        found.bind((_LOOPBACK, 0))
        return int(found.getsockname()[1])


def _dying_with_parent() -> Sequence[str]:
    """However we are killed, it does not outlive us, where the system has the program for it."""
    return ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()
