"""Reports outcomes with patience: while the result backend is away the task waits, and a success stays a success."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from celery import states
from celery._state import get_current_task
from celery.exceptions import Reject, SoftTimeLimitExceeded
from kombu.exceptions import OperationalError

from app.errors import ChordWaitsError

log = structlog.get_logger(__name__)


class ReportParked(Reject):
    """The outcome could not be reported yet; a copy of the message comes back, and this one is acknowledged.

    It is a Reject because Celery's tracer handles every other exception of the result backend itself.
    """


class PatientReports:
    """A mixin for a backend of Celery's: it wraps the methods that Celery calls at the end of a task."""

    def mark_as_done(
        self, task_id: str, result: Any, request: Any = None, store_result: bool = True, state: str = states.SUCCESS
    ) -> None:
        """Count the part of the chord, then store the result; Celery stores first.

        If a child dies and its success is stored, the worker's parent acknowledges the message. Stored first, the part
        of a child that died between the two steps would never be counted.
        """

        def report() -> None:
            if request is not None and request.chord:
                self.on_chord_part_return(request, state, result)  # type: ignore[attr-defined]
            if store_result and not getattr(request, "ignore_result", False):
                self.store_result(task_id, result, state, request=request)  # type: ignore[attr-defined]

        _report(request, report)

    def mark_as_failure(self, task_id: str, exc: Any, *args: Any, request: Any = None, **options: Any) -> None:
        """Report the failure, the chord's part, the failure of the rest of the chain, and call the errbacks."""
        mark = super().mark_as_failure  # type: ignore[misc]
        _report(request, lambda: mark(task_id, exc, *args, request=request, **options))

    def fail_from_current_stack(self, task_id: str, exc: Any = None) -> Any:
        """Store the failure of a chord's body, except where its errback could not be sent: that is tried again.

        Raises:
            ChordWaitsError: the broker is away.
            SoftTimeLimitExceeded: the time of the member that calls the errback is over.
        """
        if isinstance(exc, SoftTimeLimitExceeded):
            raise exc
        if isinstance(exc, OperationalError):
            raise ChordWaitsError(f"({exc})") from exc
        return super().fail_from_current_stack(task_id, exc=exc)  # type: ignore[misc]

    def mark_as_retry(self, task_id: str, exc: Any, *args: Any, request: Any = None, **options: Any) -> None:
        """Store the state RETRY if the backend takes it now. The next attempt is sent already, so nothing may wait."""
        try:
            super().mark_as_retry(task_id, exc, *args, request=request, **options)  # type: ignore[misc]
        except Exception as error:  # noqa: BLE001 - a state on the way, and no outcome
            log.warning("retry_not_reported", task_id=task_id, reason=str(error))

    def mark_as_revoked(self, task_id: str, reason: str = "", request: Any = None, **options: Any) -> None:
        """Report that the task expired or was revoked, which counts as the chord's part as well."""
        mark = super().mark_as_revoked  # type: ignore[misc]
        _report(request, lambda: mark(task_id, reason, request=request, **options))


def _report(request: Any, report: Callable[[], None]) -> None:
    """Report an outcome: a child of the pool does it itself, with the patience of the task that it runs.

    The parent hands it to `in_parent`, for a child that overran its time limit or was revoked: its event loop may not
    wait, and an exception in it would end the worker.
    """
    task: Any = get_current_task()
    if request is None:
        report()
    elif task is not None and task.request.id == request.id:
        task.report(report)
    else:
        in_parent(report)


def _now(report: Callable[[], None]) -> None:
    report()


#: Called where no task runs; a worker's main process hands the report to a thread (`app.worker.reports`).
in_parent: Callable[[Callable[[], None]], None] = _now
