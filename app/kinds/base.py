"""The base of every task: it records failures before the message dies, and an outage of a server spends no attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from traceback import format_exc
from typing import Any, cast
from uuid import UUID

import structlog
import tenacity
from celery import Task
from celery._state import get_current_task
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded, TaskPredicate
from kombu.exceptions import EncodeError, OperationalError
from sqlalchemy.exc import DBAPIError

from app import contract
from app.brokers.bundles import messages_in
from app.brokers.message_body import Call, keys_of
from app.errors import ComeBackLaterError, ItemRefusedError, JobRevokedError, PausedError, PoisonError
from app.failpoints import Failpoint, failpoint
from app.kinds import pausing
from app.kinds.asking import asking
from app.kinds.evidence import failure_of
from app.kinds.retries import RELEASE_AGAIN_SECONDS, waits_for_release
from app.kinds.schedules import Schedule
from app.kinds.sending_again import SentAgainTask
from app.results.reporting import ReportParked
from app.settings import load
from app.storage import dropped_items, failures, inbox, ordered_items
from app.storage.dropped_items import Outcome
from app.storage.engine import engine
from app.storage.failures import TaskFailure
from app.storage.identifiers import task_uuid, uuid_or_none
from app.storage.inbox import dedupe_key

log = structlog.get_logger(__name__)


class MillraceTask(SentAgainTask):
    """The base of every task, of a plain `@app.task` and `@shared_task` too.

    A failure is tried again with growing delays, then dead-lettered with its reason; while PostgreSQL or Redis is away
    nothing fails. To do without: `max_retries=0`, `dont_autoretry_for=(…)`, `acks_late=False`, as Celery calls them.
    """

    Request = "app.worker.request:MillraceRequest"
    #: Less the time limits: those of the sender's pool would travel in the message and hold in any other pool. Where a
    #: task declares none, the pool that executes it has its own.
    from_config = tuple(pair for pair in Task.from_config if pair[0] not in {"time_limit", "soft_time_limit"})
    #: Celery's is 3.
    max_retries: int | None = load().retry_max
    #: Celery reads it for its own `autoretry_for` alone; here it holds for every error.
    dont_autoretry_for: tuple[type[Exception], ...] = ()
    #: When beat sends it, if it does.
    schedule: Schedule | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task for a message; Celery's tracer calls this. Called by hand it is the function.

        Raises:
            Retry: it failed and comes again.
            PoisonError: it would fail the same way again.
            Ignore: its job was revoked, or it expired, which is recorded; or it is parked or held.
        """
        if self.request.called_directly:
            return super().__call__(*args, **kwargs)
        self._name_links()
        try:
            result = self._execute_or_drop(args, kwargs)
        except ItemRefusedError as error:
            if not waits_for_release(vars(self.request), form_id=self.form_id):
                raise
            raise self.wait_for_release(args, kwargs, reason=str(error)) from None
        except PausedError:
            raise self.hold() from None
        except ComeBackLaterError as later:
            raise self.come_back(later) from None
        except (PoisonError, TaskPredicate):
            raise
        except Exception as error:
            # Raised by `retry` itself, after as many attempts as the task said; or said to be final.
            if error is getattr(self.request, "given_up", None) or isinstance(error, tuple(self.dont_autoretry_for)):
                raise
            raise self.retry_later(error) from error
        failpoint(Failpoint.WORKER_AFTER_COMMIT)
        return result

    def execute(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What one run does; kinds of tasks put their own in its place.

        Raises:
            JobRevokedError: the job of this message was revoked, and nothing was done.
        """
        return self.patiently(lambda: self.run(*args, **kwargs))

    def is_halved(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
        """Whether a redelivery of this message sends its halves instead of running it again."""
        return False

    def _name_links(self) -> None:
        """Give the tasks that are linked to this one ids that a second run gives them, too.

        Celery sends links before it stores the result. Where that is parked, or the message comes twice, they are sent
        again, and a task `once` tells its messages apart by their ids.
        """
        links: Any = self.request.callbacks or ()
        for index, link in enumerate(links):
            if not link.get("subtask_type"):  # each task of a group or a chain would get this id
                link.setdefault("options", {}).setdefault("task_id", f"{self.request.id} link {index}")

    def _execute_or_drop(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        outcome = getattr(self.request, contract.MESSAGE_DROP_AS, None)
        if outcome is None or self.ran:
            if self.paused and not self.ran:
                raise PausedError(f"({self.known_as})")
            try:
                return self.execute(args, kwargs)
            except JobRevokedError:
                outcome = Outcome.REVOKED
        raise self._dropped(Outcome(outcome), args, kwargs)

    def _dropped(self, outcome: Outcome, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Ignore:
        """Record how this message's items ended; the returned exception makes Celery acknowledge the message."""
        items = self._items_of_jobs(args, kwargs)

        def record() -> None:
            with engine().begin() as connection:
                dropped_items.record_unexecuted(connection, items, outcome)
                ordered_items.end(connection, vars(self.request))

        self.patiently(record)
        self.request.update(dropped_as=outcome)  # the metrics count it as this outcome
        return Ignore(f"{outcome}")

    def _items_of_jobs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> set[tuple[UUID, UUID]]:
        """This message's items as (job id, dedupe key), without those of no job. Two jobs may have the same key."""
        items: set[tuple[UUID, UUID]] = set()
        for headers, call in messages_in(vars(self.request), Call(args=list(args), kwargs=kwargs, embed={})):
            job_id = uuid_or_none(headers.get(contract.MESSAGE_JOB_ID))
            scope = str(headers.get(contract.MESSAGE_SCOPE) or "")
            keys = [dedupe_key(self.known_as, scope, key) for key in keys_of(headers, call)] or [self.dedupe_key]
            items |= {(job_id, key) for key in keys} if job_id is not None else set()
        return items

    @property
    def known_as(self) -> str:
        """The task that the inbox and the job know this message by."""
        return self.name

    @property
    def form_id(self) -> str:
        """Identifies the form of the task's items; a worker of another release compares a message's with its own."""
        return "plain"

    @property
    def job_id(self) -> UUID | None:
        """The job that this message belongs to; a task sent by hand has none."""
        return uuid_or_none(getattr(self.request, contract.MESSAGE_JOB_ID, None))

    @property
    def task_id(self) -> UUID:
        """The id of this task, or what stands for it; a retry and a replay keep it."""
        identifier = task_uuid(self.request.id)
        if identifier is None:
            raise RuntimeError("not in a run of a task")
        return identifier

    @property
    def scope(self) -> str:
        """Whose keys this message carries: the id of the API key that sent it, or nothing."""
        return str(getattr(self.request, contract.MESSAGE_SCOPE, None) or "")

    @property
    def dedupe_key(self) -> UUID:
        """What this message is in the inbox: its item's key, or else its task id, which redeliveries keep."""
        key = getattr(self.request, contract.MESSAGE_KEY, None)
        if key is None:
            return dedupe_key(self.known_as, "", str(self.request.id))
        return dedupe_key(self.known_as, self.scope, str(key))

    @property
    def attempt(self) -> int:
        """1 for the first run."""
        return int(self.request.retries or 0) + 1

    @property
    def paused(self) -> bool:
        """Whether this task or its queue is paused. Asking costs at most one query a second."""
        return pausing.is_paused(self.known_as)

    @property
    def hard_limit_seconds(self) -> float:
        """The pool ends this run after this time, which the message says, else the task, else the settings."""
        hard, _ = self.request.timelimit or (None, None)
        return float(hard or self.time_limit or load().task_time_limit_seconds)

    @property
    def redelivered(self) -> bool:
        """Whether somebody had this message before and did not acknowledge it."""
        return bool((self.request.delivery_info or {}).get("redelivered"))

    def wait_for_release(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, reason: str) -> Ignore:
        """Park the message until a worker of another release takes it, unless its job was revoked."""
        job_id = self.job_id
        if job_id is not None and not self.ran and self.patiently(lambda: _is_revoked(job_id)):
            return self._dropped(Outcome.REVOKED, args, kwargs)
        return self.park(RELEASE_AGAIN_SECONDS, reason=reason, since=contract.MESSAGE_RELEASE_SINCE)

    def report(self, hand_over: Callable[[], None]) -> None:
        """Report the outcome of this run to the result backend, with the patience that the run itself has.

        Celery treats a success that cannot be stored as a failure (research/celery.md, finding 8): the message would be
        dead-lettered, and its chord would never end.

        Raises:
            ReportParked: parked, as `patiently` does. A task `once` later returns what its first run returned.
            Reject: the message could not be parked (the broker is away, or the time limit is reached) and goes back to
                its queue; or the backend refuses the outcome, and the message goes to the dead letters.
        """
        self.request.update({contract.MESSAGE_RAN: True})
        try:
            self.patiently(hand_over)
        except Ignore as parked:
            raise ReportParked(str(parked.__cause__)) from parked
        except (EncodeError, Reject):
            raise
        except (OperationalError, SoftTimeLimitExceeded) as error:
            raise Reject(repr(error), requeue=True) from error
        except Exception as error:
            self._record(error, reason="failed", traceback=format_exc())
            raise Reject(repr(error), requeue=False) from error

    def on_retry(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Celery's hook, in the child, after the next attempt was sent."""
        self._record(exc, reason="retried", traceback=str(einfo))

    def on_failure(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Celery's hook: in the child when the task failed for good.

        Celery calls it in the parent, too, at a hard time limit. There is no request there, so nothing is recorded:
        that is `MillraceRequest`'s.
        """
        self._record(exc, reason="failed", traceback=str(einfo))

    def _record(self, exc: BaseException, *, reason: str, traceback: str) -> None:
        """Append to task_failures; if PostgreSQL is away the dead letter says less, and the log line still says it."""
        worker = str(self.request.hostname or "")
        failure = failure_of(vars(self.request), exc, reason=reason, worker=worker, traceback=traceback)
        if failure is not None:
            record_quietly([failure])


def running_task() -> MillraceTask:
    """The task that this process runs now.

    Raises:
        RuntimeError: called outside a task.
    """
    task: Any = get_current_task()
    if task is None:
        raise RuntimeError("no task runs here; call this inside one")
    return cast("MillraceTask", task)


def _is_revoked(job_id: UUID) -> bool:
    with asking() as connection:
        return bool(inbox.revoked_jobs(connection, [job_id]))


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
