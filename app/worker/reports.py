"""Reports for a worker's main process: tasks that expired, were revoked, or overran their time limit."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from app.errors import DependencyAwayError
from app.kinds.retries import wait_out
from app.results import reporting
from app.settings import load
from app.worker.background import Background
from app.worker.recorder import no_fork

log = structlog.get_logger(__name__)

#: So many reports may wait while the backend is away; each keeps its message's arguments in memory.
_MOST_WAITING = 1000

Report = Callable[[], None]


class Reports(Background[Report]):
    """Reports outcomes to the result backend."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        super().__init__("reports", most_waiting=_MOST_WAITING)

    def connect(self) -> None:
        """Make this process report through the thread."""
        reporting.in_parent = self.put

    def put(self, report: Report) -> None:
        """Let the thread report it, again and again until the backend takes it or a task's patience has run out."""
        if not self.hand_over(report):
            log.warning("outcome_not_reported", reason="too many reports wait")

    def handle(self, item: Report) -> None:
        """Report an outcome."""

        def attempt() -> None:
            # A child that is forked while this connects would inherit locks that nobody releases.
            with no_fork:
                item()

        try:
            wait_out(attempt, patience_seconds=load().dependency_patience_hours * 3600)
        except DependencyAwayError as error:
            log.warning("outcome_not_reported", reason=str(error))
        except Exception:
            log.exception("outcome_not_reported")


reports = Reports()
