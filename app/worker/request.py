"""What the parent process does when a child dies or overruns: it leaves a record, and a time limit is final."""

from __future__ import annotations

from typing import Any, cast

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request

from app.tasks.base import MillraceTask
from app.tasks.metrics import count_outcome


class MillraceRequest(Request):
    """A message in the hands of the pool."""

    _overran = False

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """A hard time limit rejects to the dead letters at once.

        Celery would requeue the message until the delivery limit: 20 more runs that each take the whole limit.
        """
        self._overran = not soft
        if not soft:
            count_outcome(self.task.name, "failed")
        super().on_timeout(soft, timeout)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        """A lost child requeues its message without a trace of why; the record comes before the requeue.

        A hard time limit comes here first, and to `on_timeout` in the same breath: here Celery would requeue it, there
        it is recorded and then rejected.
        """
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, TimeLimitExceeded):
            self._overran = True
            return None
        if isinstance(error, WorkerLostError) and not self._overran:
            count_outcome(self.task.name, "worker_lost")
            cast("MillraceTask", self.task).record_failure(error, self.id, reason="worker_lost")
        return super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)

    def reject(self, requeue: bool = False) -> None:
        """Reject to the queue, or, after a hard time limit, to the dead letters."""
        super().reject(requeue=requeue and not self._overran)
