"""An outcome is reported with patience: while the backend is away the task waits, and nothing becomes a failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import states
from celery._state import get_current_task
from celery.exceptions import Reject
from kombu.exceptions import OperationalError

from app.errors import ChordWaitsError


class ReportParked(Reject):
    """The outcome could not be reported yet; a copy of the message comes back, and this one is acknowledged.

    A Reject, because Celery's tracer lets nothing else pass where it stores a result.
    """


class PatientReports:
    """Comes before a backend of Celery's, whose calls at the end of a task it makes patient."""

    def mark_as_done(
        self, task_id: str, result: Any, request: Any = None, store_result: bool = True, state: str = states.SUCCESS
    ) -> None:
        """Celery's, with the part of the chord first.

        A worker's parent acknowledges the message of a lost child whose success it finds stored. The other way round
        the part of a child that died in between would never be counted.
        """

        def report() -> None:
            if request is not None and request.chord:
                self.on_chord_part_return(request, state, result)  # type: ignore[attr-defined]
            if store_result and not getattr(request, "ignore_result", False):
                self.store_result(task_id, result, state, request=request)  # type: ignore[attr-defined]

        _report(request, report)

    def mark_as_failure(self, task_id: str, exc: Any, *args: Any, request: Any = None, **options: Any) -> None:
        """Celery's: the failure, the chord's part, the rest of the chain, the errbacks."""
        mark = super().mark_as_failure  # type: ignore[misc]
        _report(request, lambda: mark(task_id, exc, *args, request=request, **options))

    def fail_from_current_stack(self, task_id: str, exc: Any = None) -> Any:
        """Celery's, which a chord calls also when its errback could not be sent: then it shall be sent later.

        Raises:
            ChordWaitsError: the broker is away.
        """
        if isinstance(exc, OperationalError):
            raise ChordWaitsError(f"({exc})") from exc
        return super().fail_from_current_stack(task_id, exc=exc)  # type: ignore[misc]

    def mark_as_retry(self, task_id: str, exc: Any, *args: Any, request: Any = None, **options: Any) -> None:
        """Celery's."""
        mark = super().mark_as_retry  # type: ignore[misc]
        _report(request, lambda: mark(task_id, exc, *args, request=request, **options))

    def mark_as_revoked(self, task_id: str, reason: str = "", request: Any = None, **options: Any) -> None:
        """Celery's."""
        mark = super().mark_as_revoked  # type: ignore[misc]
        _report(request, lambda: mark(task_id, reason, request=request, **options))


def _report(request: Any, report: Callable[[], None]) -> None:
    """Report the outcome of a run: in a child of the pool with the patience of the task that runs there.

    The parent reports what befell a child (a time limit, a revoke). Its loop may not wait, and an exception there would
    end the worker.
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


#: Where a process reports that runs no task; a worker's main process has a thread for it (`app.worker.reports`).
in_parent: Callable[[Callable[[], None]], None] = _now
