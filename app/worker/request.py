"""The parent process when a child dies or overruns: it leaves a record, and a time limit is final.

Celery drops messages that expired or were revoked. If such a message belongs to a job, the parent gives it to a child,
which records how its items ended.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker import state
from celery.worker.request import Request

from app import contract
from app.brokers.chosen import able
from app.brokers.interface import Feature
from app.kinds.evidence import failure_of
from app.kinds.metrics import count_outcome
from app.results.reporting import ReportParked
from app.storage.failures import TaskFailure
from app.worker.burials import burials
from app.worker.recorder import recorder


class MillraceRequest(Request):
    """A message in the hands of the pool."""

    _overran = False
    _failure: TaskFailure | None = None
    _rejecting = False

    def revoked(self) -> bool:
        """Whether the parent drops it: it expired or `celery control revoke` named it, and it belongs to no job."""
        return super().revoked() and contract.MESSAGE_DROP_AS not in self.request_dict

    def _announce_revoked(self, reason: str, terminated: bool, signum: Any, expired: bool) -> None:
        """Mark a message of a job for its child; if its child was killed, requeue it for another. Celery acknowledges.

        Celery also remembers the ids of expired messages. They are forgotten here, so that a replay is not dropped.
        """
        if not self.request_dict.keys() & {contract.MESSAGE_JOB_ID, contract.MESSAGE_BUNDLE}:
            super()._announce_revoked(reason, terminated, signum, expired)  # type: ignore[misc]  # not in the stubs
        elif terminated:
            self.reject(requeue=True)
            self._already_revoked = True
        else:
            self.request_dict[contract.MESSAGE_DROP_AS] = reason
            if expired:
                state.revoked.discard(self.id)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """A hard time limit dead-letters the message; a batch of several items comes back and is halved.

        Celery would requeue the message until the delivery limit: 20 more runs that each take the whole limit.
        """
        if soft:
            super().on_timeout(soft, timeout)
            return
        self._overran = True
        count_outcome(self.task.name, "failed")
        self._keep(TimeLimitExceeded(timeout), "time_limit")
        super().on_timeout(soft, timeout)
        self._record(lambda: None)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        """A lost child requeues its message without a trace of why; the record comes before the requeue.

        A hard time limit comes here first, and to `on_timeout` in the same breath: here Celery would requeue it, there
        it is recorded and then rejected.
        """
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, ReportParked):
            state.task_ready(self)  # or Celery counts it as running for ever
            self.acknowledge()
            return None
        if isinstance(error, TimeLimitExceeded):
            self._overran = True
            return None
        if isinstance(error, WorkerLostError) and not self._overran:
            count_outcome(self.task.name, "worker_lost")
            self._keep(error, "worker_lost")
        result = super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)
        self._record(lambda: None)
        return result

    def acknowledge(self) -> None:
        """Not when a reject waits for its record."""
        if not self._rejecting:
            super().acknowledge()

    def reject(self, requeue: bool = False) -> None:
        """Reject to the queue, or, after a hard time limit, to the dead letters: after the record, if there is one."""
        if self._rejecting:
            return
        # Every task here is a MillraceTask.
        is_final = self._overran and not self.task.is_halved(self.args, self.kwargs)  # type: ignore[attr-defined]
        again = requeue and not is_final
        reject = partial(super().reject, requeue=again)
        if not again and not able(Feature.DEAD_LETTERING):
            self._rejecting = True
            failure, self._failure = self._failure, None
            burials.bury(
                self.message, failure, archived=super().acknowledge, refused=partial(super().reject, requeue=True)
            )
        elif self._failure is None:
            reject()
        else:
            self._rejecting = True
            self._record(reject)

    def _keep(self, error: BaseException, reason: str) -> None:
        # Not from `self.task.request`: the parent runs no task, so that one is empty (A10).
        self._failure = failure_of(self.request_dict, error, reason=reason, worker=str(self.hostname))

    def _record(self, then: Any) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            recorder.record_before(failure, then)
