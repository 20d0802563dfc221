"""Ids that sort by time (UUIDv7), and the smallest id of a moment, which is where a partition begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7

#: Of the ids that are made from names which are no UUIDs.
_TASK_NAMESPACE = UUID("6d0a3c1e-4d3f-5a0e-9a55-6d696c6c7261")


def new_id() -> UUID:
    """Return a fresh UUIDv7."""
    return uuid7()


def first_id_at(moment: datetime) -> UUID:
    """Return the smallest UUIDv7 of a moment: 48 bits of Unix milliseconds, then zeros (RFC 9562, 5.7)."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=milliseconds << 80)


def later_id(identifier: UUID, by: timedelta) -> UUID:
    """Return the smallest UUIDv7 of the moment that comes `by` after an id's. It takes any UUID, whatever its time."""
    milliseconds = (identifier.int >> 80) + int(by.total_seconds() * 1000)
    return UUID(int=min(milliseconds << 80, 2**128 - 1))


def created_at(identifier: UUID) -> datetime:
    """Return the moment that a UUIDv7 carries."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, tz=UTC)


def item_task_id(job_id: UUID, key: str) -> UUID:
    """Return the id of the task that a job sends for one of its items. The gateway finds the result by it."""
    return uuid5(job_id, key)


def uuid_or_none(value: object) -> UUID | None:
    """The UUID that a text is, if it is one."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def task_uuid(task_id: object) -> UUID | None:
    """What a task is recorded under. Celery takes any text as an id (`order-7`): the same text gives the same UUID."""
    if task_id is None or task_id == "":
        return None
    name = str(task_id).encode("utf-8", "backslashreplace").decode()
    return uuid_or_none(name) or uuid5(_TASK_NAMESPACE, name)
