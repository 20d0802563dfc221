"""`ingest_user_event` and its chunk: each event is stored exactly once, whatever happens to its neighbours.

A chunk is one message for many events. What cannot be stored with the others leaves as a message of its own, written in
their transaction; a chunk that came back (its worker died, or PostgreSQL refused it whole) is halved before it runs
again, until a poisonous event is alone.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import structlog
from celery.exceptions import TaskPredicate
from sqlalchemy.exc import DataError, IntegrityError

from app import contract
from app.brokers.celery_app import celery_app
from app.brokers.transactional import in_transaction
from app.errors import PoisonEventError
from app.failpoints import Failpoint, failpoint
from app.settings import load
from app.storage import effects, failures
from app.storage.effects import UserEvent
from app.storage.engine import autocommit, engine
from app.storage.failures import TaskFailure
from app.tasks.base import MillraceTask
from app.tasks.metrics import EFFECTS
from app.tasks.retries import retry_delay_seconds
from app.tasks.user_events import read_event

log = structlog.get_logger(__name__)


@celery_app.task(name=contract.TASK_INGEST_EVENT, base=MillraceTask, bind=True)
def ingest_user_event(self: MillraceTask, event: dict[str, Any]) -> None:
    """Store one event. A duplicate is a success; a refusal is tried again with growing delays, then dead-lettered."""
    try:
        self.patiently(lambda: _store(self, [read_event(event)]))
    except (DataError, IntegrityError) as error:
        # The same bytes fail the same way. PostgreSQL's own message quotes the payload: only its first line goes on.
        raise PoisonEventError(str(error.orig).splitlines()[0]) from None
    except (PoisonEventError, TaskPredicate):
        raise  # no further attempt; parked, which is not a failure
    except Exception as error:
        raise self.retry_later(error) from error
    failpoint(Failpoint.WORKER_AFTER_COMMIT)


@celery_app.task(name=contract.TASK_INGEST_CHUNK, base=MillraceTask, bind=True)
def ingest_user_event_chunk(self: MillraceTask, chunk: list[dict[str, Any]]) -> None:
    """Store many events in one transaction."""
    try:
        if self.redelivered and len(chunk) > 1:
            self.patiently(lambda: _split(self, chunk, reason="redelivered"))
            return
        _store_or_split(self, chunk)
    except TaskPredicate:
        raise  # parked: not a failure
    except Exception as error:
        # No event is to blame (a right is missing, a table is locked out): the chunk comes again, as an event would.
        raise self.retry_later(error) from error
    failpoint(Failpoint.WORKER_AFTER_COMMIT)


def _store_or_split(task: MillraceTask, chunk: list[dict[str, Any]]) -> None:
    events, refused = _read(chunk)
    try:
        task.patiently(lambda: _store(task, events, refused))
    except (DataError, IntegrityError) as error:
        # PostgreSQL does not say which row it was.
        reason = type(error).__name__
        task.patiently(lambda: _split(task, chunk, reason=reason))


def _read(chunk: list[dict[str, Any]]) -> tuple[list[UserEvent], list[tuple[dict[str, Any], Exception]]]:
    events: list[UserEvent] = []
    refused: list[tuple[dict[str, Any], Exception]] = []
    for event in chunk:
        try:
            events.append(read_event(event))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this event's and not its neighbours'
            refused.append((event, error))
    return events, refused


def _store(
    task: MillraceTask, events: list[UserEvent], refused: list[tuple[dict[str, Any], Exception]] | None = None
) -> None:
    # Effect and inbox are one statement, so a single event needs no transaction around it: one round trip, not three,
    # which is most of what it costs. A chunk's transaction also holds the events that leave it.
    with engine().begin() if refused is not None else autocommit().connect() as connection:
        stored = effects.store(connection, events, job_id=task.job_id, task_id=task.task_id, attempt=task.attempt)
        failpoint(Failpoint.WORKER_MIDDLE_OF_CHUNK)
        for event, error in refused or ():
            _send_alone(task, connection, event, error)
    EFFECTS.labels("stored").inc(len(stored))
    EFFECTS.labels("duplicate").inc(len(events) - len(stored))


def _send_alone(task: MillraceTask, connection: Any, event: dict[str, Any], error: Exception) -> None:
    """Give an event that failed in a chunk its own message, at its second attempt."""
    settings = load()
    with in_transaction(connection):
        result = celery_app.send_task(
            contract.TASK_INGEST_EVENT,
            args=[event],
            queue=contract.EVENT_LIST_QUEUE,
            retries=1,
            countdown=retry_delay_seconds(0, base_seconds=settings.retry_base_seconds),
            headers=_job_header(task),
        )
    failure = TaskFailure(
        task_id=UUID(result.id),
        task_name=contract.TASK_INGEST_EVENT,
        job_id=task.job_id,
        queue=settings.worker_queue,
        attempt=1,
        reason="retried",
        exception_type=type(error).__name__,
        exception_message=str(error),
        worker=str(task.request.hostname or ""),
        version=settings.version,
    )
    failures.record(connection, [failure])


def _split(task: MillraceTask, chunk: list[dict[str, Any]], *, reason: str) -> None:
    """Send the halves instead; the inbox remembers it, so that a chunk that comes twice is split once."""
    with engine().begin() as connection:
        if not effects.first_time(connection, task.task_id, job_id=task.job_id, attempt=task.attempt):
            return
        middle = (len(chunk) + 1) // 2
        with in_transaction(connection):
            for half in (chunk[:middle], chunk[middle:]):
                if len(half) > 1:
                    _send(task, contract.TASK_INGEST_CHUNK, half)
                elif half:
                    _send(task, contract.TASK_INGEST_EVENT, half[0])
    log.info("chunk_split", events=len(chunk), reason=reason)


def _send(task: MillraceTask, name: str, argument: Any) -> None:
    celery_app.send_task(name, args=[argument], queue=contract.EVENT_LIST_QUEUE, headers=_job_header(task))


def _job_header(task: MillraceTask) -> dict[str, str]:
    return {contract.MESSAGE_JOB_ID: str(task.job_id)} if task.job_id else {}
