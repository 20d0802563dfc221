"""The base of every task: failures are recorded before the message dies, an outage of PostgreSQL spends no attempt."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import structlog
import tenacity
from celery import Task
from celery.exceptions import Ignore, Reject, Retry
from sqlalchemy.exc import DBAPIError

from app import contract
from app.errors import DependencyAwayError
from app.failpoints import Failpoint, failpoint
from app.settings import load
from app.storage import failures
from app.storage.engine import engine
from app.storage.failures import TaskFailure
from app.tasks.retries import retry_delay_seconds, wait_out

log = structlog.get_logger(__name__)
T = TypeVar("T")


class MillraceTask(Task):  # type: ignore[type-arg]  # only the stubs' Task takes parameters
    """What Celery's Task does not do by itself."""

    Request = "app.worker.request:MillraceRequest"

    @property
    def job_id(self) -> UUID | None:
        """The job that this message belongs to; a task sent by hand has none."""
        value = getattr(self.request, contract.MESSAGE_JOB_ID, None)
        return UUID(value) if value else None

    @property
    def task_id(self) -> UUID:
        """The id of this task; a retry and a replay keep it."""
        return UUID(self.request.id)

    @property
    def attempt(self) -> int:
        """1 for the first run."""
        return int(self.request.retries or 0) + 1

    @property
    def redelivered(self) -> bool:
        """Whether somebody had this message before and did not acknowledge it."""
        return bool((self.request.delivery_info or {}).get("redelivered"))

    def patiently(self, body: Callable[[], T]) -> T:
        """Run `body`, waiting in place while PostgreSQL is away; if that takes long, park the message and stop here.

        Raises:
            Ignore: parked; the message is acknowledged and its copy comes back after the delay, at the same attempt.
        """
        patience_seconds = load().dependency_wait_seconds
        try:
            return wait_out(body, patience_seconds=patience_seconds)
        except DependencyAwayError as error:
            delay_seconds = max(1, math.ceil(patience_seconds))
            log.warning("task_parked", delay_seconds=delay_seconds, reason=str(error))
            again = self.signature_from_request(self.request, countdown=delay_seconds, retries=self.request.retries)
            try:
                again.apply_async()
            except Exception as publish_error:
                # The broker is away as well: the message itself goes back to its queue.
                raise Reject(publish_error, requeue=True) from publish_error
            raise Ignore from error

    def retry_later(self, error: Exception) -> Retry:
        """Send the next attempt, later each time; after the last, `error` is raised and the message dies.

        Raises:
            Retry: always, unless it was the last attempt: then `error`.
        """
        settings = load()
        delay_seconds = retry_delay_seconds(self.request.retries, base_seconds=settings.retry_base_seconds)
        try:
            return self.retry(exc=error, countdown=delay_seconds, max_retries=settings.retry_max)
        except Retry:
            failpoint(Failpoint.WORKER_AFTER_RETRY_PUBLISH)
            raise
        except Reject as rejection:
            # Celery dead-letters a task whose retry could not be published; but that is the broker's failure.
            raise Reject(rejection.args[0], requeue=True) from rejection

    def on_retry(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Celery's hook, in the child, after the next attempt was sent."""
        self.record_failure(exc, task_id, reason="retried", traceback=str(einfo))

    def on_failure(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Celery's hook: in the child when the task failed for good, in the parent at a hard time limit."""
        hard_limit = type(exc).__name__ == "TimeLimitExceeded"
        self.record_failure(exc, task_id, reason="time_limit" if hard_limit else "failed", traceback=str(einfo))

    def record_failure(self, exc: BaseException, task_id: str, *, reason: str, traceback: str = "") -> None:
        """Append to task_failures; if PostgreSQL is away the dead letter says less, and the log line still says it."""
        settings = load()
        failure = TaskFailure(
            task_id=UUID(task_id),
            task_name=self.name,
            job_id=self.job_id,
            queue=settings.worker_queue.value,
            attempt=self.attempt,
            reason=reason,
            exception_type=type(exc).__name__,
            exception_message=str(exc),
            traceback=traceback,
            worker=str(self.request.hostname or ""),
            version=settings.version,
        )
        record_quietly([failure])


def record_quietly(batch: list[TaskFailure]) -> None:
    """Record failures where nothing must go wrong because of it."""
    try:
        _record(batch)
    except Exception as error:  # noqa: BLE001 - the record is evidence, not part of the outcome
        log.warning("task_failure_not_recorded", reason=str(error), task_ids=[str(f.task_id) for f in batch])


def _connection_was_stale(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated


# The worker's main process records rarely. When PostgreSQL was restarted since the last time, its pooled connection is
# dead, and the first dead letter afterwards lost its reason. A second try has a new connection. (The pool's own
# pool_pre_ping would ask the server before each task, too.)
@tenacity.retry(
    retry=tenacity.retry_if_exception(_connection_was_stale), stop=tenacity.stop_after_attempt(2), reraise=True
)
def _record(batch: list[TaskFailure]) -> None:
    with engine().begin() as connection:
        failures.record(connection, batch)
