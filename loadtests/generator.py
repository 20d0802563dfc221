"""Runs Locust as a process of its own, and watches its ledger grow."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from loadtests.errors import GeneratorError
from loadtests.ledger import OUTCOMES_FILE
from loadtests.plan import FINISH_SIGNAL, PLAN_VARIABLE, Plan
from loadtests.schedule import Schedule

#: The generator is the measuring instrument: where it may (root), it goes before what it measures.
NICENESS = -5
#: Requests under way at most: what is sent in this many seconds without an answer.
PATIENCE_SECONDS = 5.0
MAX_USERS = 400
#: Locust's own start: import, users, first connections.
_START_SECONDS = 30.0
#: After the schedule's end: give-up time, slowest answer, and some.
_END_SECONDS = 40.0


def users_for(schedule: Schedule) -> int:
    """How many requests may be under way at once."""
    return min(MAX_USERS, max(16, math.ceil(schedule.requests_per_second * PATIENCE_SECONDS)))


class Generator:
    """One Locust process."""

    def __init__(self, plan: Plan, plan_file: Path, log_file: Path) -> None:
        """Start it; it begins to send when its users are there."""
        self._plan = plan
        self._log = log_file.open("wb")
        self._log_file = log_file
        self._outcomes = Path(plan.ledger) / OUTCOMES_FILE
        self._read_to = 0
        self.answered = 0
        #: When it counts as hung (monotonic seconds).
        self._deadline = time.monotonic() + plan.schedule.seconds + _START_SECONDS + _END_SECONDS
        self._finishing = False
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [
                sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("open_loop_users.py")), "--headless",
                "-u", str(plan.users), "-r", str(plan.users), "-t", f"{plan.schedule.seconds + _END_SECONDS:.0f}s",
                "--stop-timeout", "15", "--only-summary", "--reset-stats", "--loglevel", "WARNING",
            ],
            env={**os.environ, PLAN_VARIABLE: str(plan_file), "PYTHONPATH": str(Path(__file__).parents[1])},
            stdout=self._log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the harness alone, which then ends this in order
        )  # fmt: skip
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, self.process.pid, NICENESS)

    def wait_for_start(self) -> float:
        """When the first second of the schedule begins (Unix time).

        Raises:
            GeneratorError: it ended, or took too long.
        """
        begin = time.monotonic()
        started = Path(self._plan.started_file)
        while not (started.exists() and started.read_text()):
            if self.process.poll() is not None or time.monotonic() - begin > _START_SECONDS:
                self.stop()
                raise GeneratorError(self._last_words())
            time.sleep(0.1)
        return float(started.read_text())

    def wait(self, tick: Callable[[], object], interval_seconds: float = 0.5) -> str | None:
        """Wait for its end and call `tick` meanwhile; returns what went wrong, if something did."""
        while self.process.poll() is None:
            self._count()
            tick()
            if time.monotonic() > self._deadline:
                self.stop()
                return "it did not end in time"
            time.sleep(interval_seconds)
        self._count()
        self._log.close()
        return None if self.process.returncode == 0 else self._last_words()

    def finish(self) -> None:
        """Plan no more requests: it ends in order after those that are on disk. Once is enough."""
        if not self._finishing:
            self._finishing = True
            self._deadline = min(self._deadline, time.monotonic() + _END_SECONDS)
            self.process.send_signal(FINISH_SIGNAL)

    def stop(self) -> None:
        """End it, in order if it listens."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()

    def _count(self) -> None:
        """Count the requests that have an outcome, from the ledger itself."""
        with contextlib.suppress(FileNotFoundError), self._outcomes.open("rb") as file:
            file.seek(self._read_to)
            data = file.read()
            self.answered += data.count(b"\n")
            self._read_to += len(data)

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = self._log_file.read_text(errors="replace").strip().splitlines()
            return f"Locust ended with {self.process.poll()}: " + " | ".join(lines[-3:])
        return "Locust said nothing."
