"""Reports for a worker's main process: tasks that expired, were revoked, or overran their time limit.

One thread reports them to the result backend. The event loop must not wait for Redis or PostgreSQL (`recorder`),
because it sends no AMQP heartbeat while it waits.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

import structlog

from app.errors import DependencyAwayError
from app.kinds.retries import wait_out
from app.results import reporting
from app.settings import load
from app.worker.recorder import PATIENCE_SECONDS, no_fork

log = structlog.get_logger(__name__)

#: So many reports may wait while the backend is away; each keeps its message's arguments in memory.
_MOST_WAITING = 1000

Report = Callable[[], None]


class Reports:
    """The thread and its queue; it begins with the first report."""

    def __init__(self) -> None:
        """Start no thread: a worker that reports nothing needs none."""
        self._waiting: queue.Queue[Report | None] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None

    def connect(self) -> None:
        """Make this process report through the thread."""
        reporting.in_parent = self.put

    def put(self, report: Report) -> None:
        """Let the thread report it, again and again until the backend takes it or a task's patience has run out."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="reports", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(report)
        except queue.Full:
            log.warning("outcome_not_reported", reason="too many reports wait")

    def close(self) -> None:
        """Report what still waits, for `PATIENCE_SECONDS` at most."""
        if self._thread is None:
            return
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(PATIENCE_SECONDS)

    def _run(self) -> None:
        patience_seconds = load().dependency_patience_hours * 3600
        while (report := self._waiting.get()) is not None:

            def attempt(report: Report = report) -> None:
                # A child that is forked while this connects would inherit locks that nobody releases.
                with no_fork:
                    report()

            try:
                wait_out(attempt, patience_seconds=patience_seconds)
            except DependencyAwayError as error:
                log.warning("outcome_not_reported", reason=str(error))
            except Exception:
                log.exception("outcome_not_reported")


reports = Reports()
