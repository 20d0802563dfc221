"""Outcomes that the worker's main process reports itself: a member that expired, was revoked or overran its time.

One thread hands them to the result backend. The event loop must not wait for Redis, as it must not for PostgreSQL
(`recorder`): while it waits it sends no AMQP heartbeat.
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

#: Reports that may wait while the backend is away; each holds its message's arguments.
_MOST_WAITING = 1000

Report = Callable[[], None]


class Reports:
    """The thread and its queue; it begins with the first report."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._waiting: queue.Queue[Report | None] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None

    def connect(self) -> None:
        """Take what this process would report."""
        reporting.in_parent = self.put

    def put(self, report: Report) -> None:
        """Hand it over in the thread, and until the backend takes it, for as long as a task has patience."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="reports", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(report)
        except queue.Full:
            log.warning("outcome_not_reported", reason="too many reports wait")

    def close(self) -> None:
        """Hand over what waits, if that takes no longer than `PATIENCE_SECONDS`."""
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
                # A child that is forked while this connects would never get the locks that it holds.
                with no_fork:
                    report()

            try:
                wait_out(attempt, patience_seconds=patience_seconds)
            except DependencyAwayError as error:
                log.warning("outcome_not_reported", reason=str(error))
            except Exception:
                log.exception("outcome_not_reported")


reports = Reports()
