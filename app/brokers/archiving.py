"""Puts dead messages into the archive: the archiver's work, and a worker's where the broker keeps no dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog
from prometheus_client import Counter
from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from app import contract
from app.brokers.last_failures import last_failures
from app.brokers.letters import ArrivedMessage, letter_from, taken_apart, task_id_of
from app.storage import ordered_items
from app.storage.availability import may_pass
from app.storage.dead_letters import DeadLetter, archive
from app.storage.failures import TaskFailure, record

log = structlog.get_logger(__name__)

DEAD_LETTERS = Counter(
    contract.METRIC_DEAD_LETTERS.removesuffix("_total"), "Dead letters taken into the archive", ["queue", "reason"]
)
for _queue in contract.queue_names():
    # A series that is there from the start has a first step that an alert can see.
    DEAD_LETTERS.labels(_queue, "failed")


def store(messages: Sequence[ArrivedMessage], database: Engine, *, failures: Sequence[TaskFailure] = ()) -> None:
    """Archive messages and commit, `failures` with them.

    A message that PostgreSQL refuses is kept without its headers, and keeps no other out.

    Raises:
        sqlalchemy.exc.DBAPIError: PostgreSQL is away, or refuses even that.
    """
    try:
        new = _store_together(messages, database, failures)
    except Exception as error:
        if may_pass(error):
            raise
        new = [letter for message in messages for letter in _store_alone(message, database)]
    for letter in new:
        DEAD_LETTERS.labels(letter.queue, letter.reason).inc()
        log.warning(
            "dead_letter_archived",
            queue=letter.queue,
            reason=letter.reason,
            task_id=letter.task_id,
            task_name=letter.task_name,
            job_id=letter.job_id,
            attempts=letter.attempts,
            exception=letter.exception_type,
        )


def _store_together(
    messages: Sequence[ArrivedMessage], database: Engine, failures: Sequence[TaskFailure] = ()
) -> list[DeadLetter]:
    with database.begin() as connection:
        if failures:
            record(connection, list(failures))
        return _archived(connection, messages)


def _archived(connection: Connection, messages: Sequence[ArrivedMessage]) -> list[DeadLetter]:
    letters = _letters(connection, messages)
    new = [letter for letter in letters if archive(connection, [letter])]
    ordered_items.end_dead(connection, letters)
    return new


def _letters(connection: Connection, messages: Sequence[ArrivedMessage]) -> list[DeadLetter]:
    failures = last_failures(connection, map(task_id_of, messages))
    return [
        letter_from(part, failures.get(task_id) if (task_id := task_id_of(message)) else None)
        for message in messages
        for part in taken_apart(message)
    ]


def _store_alone(message: ArrivedMessage, database: Engine) -> list[DeadLetter]:
    try:
        return _store_together([message], database)
    except Exception as error:
        if may_pass(error):
            raise
        log.exception("dead_letter_refused", queue=message.dead_letter_queue)
        kept = {name: value for name, value in message.properties.items() if name != "application_headers"}
        with database.begin() as connection:
            return _archived(connection, [replace(message, properties=kept)])
