"""Which dead letters are meant: filters as one value, and as conditions on the archive."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement

from app.errors import SelectionError
from app.storage.tables import dead_letters as table

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All of these together; what is not given selects everything."""

    ids: tuple[UUID, ...] = ()
    queue: str | None = None
    task: str | None = None
    reason: str | None = None
    exception: str | None = None
    job_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def empty(self) -> bool:
        """Whether it would select everything."""
        return not any(getattr(self, field.name) for field in fields(self))

    def conditions(self) -> list[ColumnElement[bool]]:
        """For a WHERE, to be joined by AND."""
        chosen: list[ColumnElement[bool]] = []
        if self.ids:
            chosen.append(table.c.dead_letter_id.in_(self.ids))
        if self.since is not None:
            chosen.append(table.c.died_at >= self.since)
        if self.until is not None:
            chosen.append(table.c.died_at < self.until)
        exactly = {
            table.c.queue: self.queue,
            table.c.task_name: self.task,
            table.c.reason: self.reason,
            table.c.exception_type: self.exception,
            table.c.job_id: self.job_id,
        }
        return chosen + [column == value for column, value in exactly.items() if value is not None]


def moment(value: str, *, now: datetime | None = None) -> datetime:
    """A time: `15m`, `2h` or `3d` ago, or ISO 8601, in UTC when it names no zone.

    Raises:
        SelectionError: it is neither.
    """
    if ago := re.fullmatch(r"(\d{1,6})([smhd])", value.strip()):
        return (now or datetime.now(UTC)) - timedelta(**{_UNITS[ago.group(2)]: int(ago.group(1))})
    try:
        parsed = datetime.fromisoformat(value.strip())
    except ValueError as error:
        raise SelectionError(f"{value!r} is no time: say 15m, 2h or 3d (ago), or 2026-07-01T12:00:00Z") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
