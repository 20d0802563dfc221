"""Starts the fault as a process of its own and keeps what it says as evidence."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from loadtests.fault import Fault, read_fault
from loadtests.verdict import MIN_DEAD_SECONDS

#: A little more than the bound, so that the time between the kill and its note cannot void a run.
DEAD_SECONDS = MIN_DEAD_SECONDS + 2
#: Finding the leader, arranging a connection, the dead time, and the node's way back.
_TIMEOUT_SECONDS = 240.0


class Drill:
    """A fault of `python -m chaos`, in the background, once."""

    def __init__(
        self,
        evidence_file: Path,
        log_file: Path,
        *,
        fault: Sequence[str] = ("kill-busiest-leader",),
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing is broken until `start`. `arguments` and `environment` say which stack's queue it is."""
        self._fault = tuple(fault)
        self._arguments = tuple(arguments)
        self._environment = {**os.environ, **(environment or {})}
        self._evidence_file = evidence_file
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None

    def start_in(self, seconds: float) -> None:
        """Break it later, from a thread."""
        self._timer = threading.Timer(max(0.0, seconds), self.start)
        self._timer.daemon = True
        self._timer.start()

    def start(self) -> None:
        """Break it now."""
        with self._evidence_file.open("wb") as evidence, self._log_file.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [
                    sys.executable, "-m", "chaos", *self._arguments,
                    *self._fault, "--dead-seconds", f"{DEAD_SECONDS:g}",
                ],
                env=self._environment, stdout=evidence, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C must not end it: it has a node to start again
            )  # fmt: skip

    @property
    def seen(self) -> Fault:
        """What it has said so far."""
        with contextlib.suppress(FileNotFoundError):
            return read_fault(self._evidence_file.read_bytes().splitlines())
        return Fault()

    @property
    def running(self) -> bool:
        """Whether it is still at work, or has yet to begin."""
        waiting = self._timer is not None and self._timer.is_alive()
        return waiting or (self._process is not None and self._process.poll() is None)

    def finish(self) -> Fault:
        """Wait until the node is back; if that is interrupted, it is started at once."""
        try:
            if self._timer is not None:
                self._timer.join()
            if self._process is not None:
                self._process.wait(timeout=_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.abort()
        except BaseException:
            self.abort()
            raise
        return self.seen

    def abort(self) -> None:
        """Heal now: the process starts the node again when it is asked to end."""
        if self._timer is not None:
            self._timer.cancel()
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=120)
