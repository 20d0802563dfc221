"""Starts, asks and ends one supervisor (supervisord) and with it everything that it runs."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import xmlrpc.client
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from infra.lab.devcluster import processes
from infra.lab.devcluster.programs import MARK, SOCKET, Program, settings
from infra.lab.devcluster.waiting import until

_AWAY = (OSError, http.client.HTTPException, xmlrpc.client.Error)
_LAST_LINES = 15
_LINE = 300
START_SECONDS = 20


@dataclass
class Supervisor:
    """The supervisor of one root folder."""

    root: Path
    _child: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, programs: Sequence[Program]) -> None:
        """Start them all, to run until `stop`, whatever becomes of the caller."""
        # It leaves the session too: an interrupt from the keyboard is for the one who waits, not for the servers.
        self._start(programs, ("setsid", "--fork")).wait()
        self._wait()

    def start_child(self, programs: Sequence[Program]) -> None:
        """Start them all, to end when the thread that calls this does, however it ends."""
        self._child = self._start(programs, ("setpriv", "--pdeathsig", "TERM", "--"))
        self._wait()

    def _start(self, programs: Sequence[Program], prefix: Sequence[str]) -> subprocess.Popen[bytes]:
        (self.root / "logs").mkdir(exist_ok=True)
        configuration = self.root / "supervisor.ini"
        configuration.write_text(settings(programs, self.root))
        with (self.root / "logs" / "supervisor.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - no shell, and no words of strangers
                (*prefix, sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)),
                env={**os.environ, MARK: str(self.root)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait(self) -> None:
        until("the supervisor answers", lambda: bool(self.states()), START_SECONDS, explain=self._explain)

    def _explain(self) -> str:
        return self.tail("supervisor")

    def states(self) -> dict[str, str]:
        """Each program's state: RUNNING, BACKOFF, ...; empty when the supervisor is away."""
        try:
            with self._call() as call:
                return {each["name"]: each["statename"] for each in call.getAllProcessInfo()}
        except _AWAY:
            return {}

    @property
    def lives(self) -> bool:
        """Whether its process does. On a busy machine it may be slow to answer, and is no reason to start another."""
        return bool(processes.marked(self.root, only=str(self.root / "supervisor.ini")))

    def stop(self) -> None:
        """End everything at once, as by a power cut: nothing that runs here keeps anything that anybody wants."""
        processes.end(self.root)
        if self._child is not None:
            self._child.wait()

    def tail(self, name: str) -> str:
        """The last lines of a program's log."""
        try:
            lines = (self.root / "logs" / f"{name}.log").read_text(errors="replace").splitlines()
        except OSError:
            return f"{name} has said nothing"
        return "\n".join(f"{name}: {line[:_LINE]}" for line in lines[-_LAST_LINES:])

    @contextmanager
    def _call(self) -> Iterator[Any]:
        transport = SupervisorTransport(None, None, serverurl=f"unix://{self.root / SOCKET}")
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            yield proxy.supervisor
