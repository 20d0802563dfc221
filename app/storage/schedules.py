"""The last slot that beat has handled, for each schedule. It commits together with the slot's message.

The clock is PostgreSQL's, so beats on machines with different clocks agree. A slot that was taken is never taken
again, even if that clock is set back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.engine import Connection

_FORGET = text("DELETE FROM schedules WHERE schedule <> ALL (cast(:schedules AS text[]))")
# A new schedule begins now; slots before its declaration are not sent.
_ADOPT = text("""
    INSERT INTO schedules (schedule, last_slot) SELECT unnest(cast(:schedules AS text[])), now() ON CONFLICT DO NOTHING
""")
_FORGET_ONE = text("DELETE FROM schedules WHERE schedule = :schedule")
_LAST = text("SELECT schedule, last_slot FROM schedules")
_NOW = text("SELECT now()")
_TAKE = text("UPDATE schedules SET last_slot = :slot WHERE schedule = :schedule AND last_slot < :slot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """The time on PostgreSQL's clock, and the last slot of each schedule."""

    now: datetime
    last: Mapping[str, datetime]


def forget_others(connection: Connection, schedules: Sequence[str]) -> None:
    """Remove the schedules that are no longer declared; one that is declared again later begins then."""
    connection.execute(_FORGET, {"schedules": list(schedules)})


def forget(connection: Connection, schedule: str) -> bool:
    """Remove a schedule, so that it begins again at beat's next tick; returns False if there is none of this name."""
    return connection.execute(_FORGET_ONE, {"schedule": schedule}).rowcount == 1


def read(connection: Connection, schedules: Sequence[str]) -> Slots:
    """The time, and the last slot of each schedule; a new one of `schedules` gets the time as its last slot."""
    connection.execute(_ADOPT, {"schedules": list(schedules)})
    now = connection.execute(_NOW).scalar_one()
    # Somebody may reset a schedule between these statements; it then begins at the next look.
    return Slots(now=now, last=dict.fromkeys(schedules, now) | last_slots(connection))


def last_slots(connection: Connection) -> dict[str, datetime]:
    """The last slot of each schedule that a beat has seen."""
    return {row.schedule: row.last_slot for row in connection.execute(_LAST)}


def take(connection: Connection, schedule: str, slot: datetime) -> bool:
    """Whether the caller has taken this slot; another beat that tries to waits until this transaction ends."""
    return connection.execute(_TAKE, {"schedule": schedule, "slot": slot}).rowcount == 1
