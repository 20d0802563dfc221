"""Reading the archive. Nothing here talks to the broker, so looking at a dead letter cannot hurt it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select
from sqlalchemy.engine import Connection

from app.deadletters.selection import Selection
from app.errors import DeadLetterNotFoundError
from app.storage.tables import dead_letter_actions, dead_letters as table, task_failures

#: Failed attempts that `show` lists, newest first.
_FAILURES_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLetter:
    """A row of the archive."""

    dead_letter_id: UUID
    state: str
    queue: str
    reason: str
    task_id: UUID | None
    task_name: str | None
    job_id: UUID | None
    keys: tuple[str, ...]
    exception_type: str | None
    exception_message: str | None
    attempts: int
    exchange: str
    routing_key: str
    properties: Mapping[str, Any]
    body: bytes
    died_at: datetime
    archived_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """How many letters have this queue, task and reason."""

    queue: str
    task_name: str | None
    reason: str
    letters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A letter with what happened before and since."""

    letter: StoredLetter
    failures: list[dict[str, Any]]
    actions: list[dict[str, Any]]


#: All columns but the fingerprint, which says nothing to anybody.
COLUMNS = tuple(column for column in table.c if column.name != "fingerprint")
#: For lists, which need no bodies: they may be megabytes each.
_WITHOUT_BODY = tuple(column for column in COLUMNS if column.name not in {"body", "properties"})


def stored(row: Row[Any]) -> StoredLetter:
    """A row of `COLUMNS`, or of those without the body, as a letter."""
    values = {"body": b"", "properties": {}, **row._asdict()}
    return StoredLetter(**values | {"keys": tuple(values["keys"]), "body": bytes(values["body"])})


def chosen(query: Select[Any], selection: Selection, state: str | None) -> Select[Any]:
    """The query, narrowed to a selection and a state."""
    query = query.where(*selection.conditions())
    return query if state is None else query.where(table.c.state == state)


def newest(connection: Connection, selection: Selection, *, state: str | None, limit: int) -> list[StoredLetter]:
    """The newest letters, without their bodies."""
    query = chosen(select(*_WITHOUT_BODY), selection, state).order_by(table.c.dead_letter_id.desc()).limit(limit)
    return [stored(row) for row in connection.execute(query)]


def groups(connection: Connection, selection: Selection, *, state: str | None) -> list[Group]:
    """Counts by queue, task and reason, largest first."""
    keys = (table.c.queue, table.c.task_name, table.c.reason)
    query = chosen(select(*keys, func.count().label("letters")), selection, state).group_by(*keys)
    return [Group(**row._asdict()) for row in connection.execute(query.order_by(func.count().desc(), *keys))]


def history(connection: Connection, dead_letter_id: UUID) -> History:
    """One letter, its failed attempts and what operators did.

    Raises:
        DeadLetterNotFoundError: there is none of this id.
    """
    row = connection.execute(select(*COLUMNS).where(table.c.dead_letter_id == dead_letter_id)).one_or_none()
    if row is None:
        raise DeadLetterNotFoundError(f"id: {dead_letter_id}")
    letter = stored(row)
    failures = (
        select(task_failures)
        .where(task_failures.c.task_id == letter.task_id)
        .order_by(task_failures.c.failure_id.desc())
        .limit(_FAILURES_SHOWN)
    )
    actions = (
        select(dead_letter_actions)
        .where(dead_letter_actions.c.dead_letter_id == dead_letter_id)
        .order_by(dead_letter_actions.c.action_id)
    )
    return History(
        letter=letter,
        failures=[found._asdict() for found in connection.execute(failures)] if letter.task_id else [],
        actions=[found._asdict() for found in connection.execute(actions)],
    )


def states(connection: Connection, ids: tuple[UUID, ...]) -> dict[UUID, str]:
    """The state of each id.

    Raises:
        DeadLetterNotFoundError: one of them is not in the archive.
    """
    query = select(table.c.dead_letter_id, table.c.state).where(table.c.dead_letter_id.in_(ids))
    found = {row.dead_letter_id: row.state for row in connection.execute(query)}
    if missing := [str(wanted) for wanted in ids if wanted not in found]:
        raise DeadLetterNotFoundError(f"id: {', '.join(missing)}")
    return found
