"""The effect of events and their inbox rows, in one statement: both happen or neither.

Ids and accounts are sorted before they are locked: unsorted overlapping lists deadlocked 6 times in 12 (design.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

#: Clearing accounts, so that transactions seldom meet on one row. A message uses one of them for all its events.
CLEARING_ACCOUNTS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEvent:
    """What is stored of an event."""

    event_id: UUID
    user_id: str
    amount: int
    type: str
    occurred_at: datetime
    payload: str  # JSON, as it was sent


# `fresh` is the inbox: only events that are new there reach `events` and `accounts`.
_STORE = text("""
    WITH incoming AS (
        SELECT * FROM unnest(
            cast(:event_ids AS uuid[]), cast(:user_ids AS text[]), cast(:amounts AS bigint[]), cast(:types AS text[]),
            cast(:occurred_ats AS timestamptz[]), cast(:payloads AS text[])
        ) AS e(event_id, user_id, amount, type, occurred_at, payload)
    ), fresh AS (
        INSERT INTO inbox (dedupe_key, job_id, attempts)
        SELECT event_id, cast(:job_id AS uuid), :attempt FROM incoming ORDER BY event_id
        ON CONFLICT DO NOTHING RETURNING dedupe_key
    ), stored AS (
        INSERT INTO events (event_id, job_id, task_id, user_id, amount, type, occurred_at, payload)
        SELECT event_id, cast(:job_id AS uuid), cast(:task_id AS uuid), user_id, amount, type, occurred_at,
               cast(payload AS jsonb)
        FROM incoming JOIN fresh ON fresh.dedupe_key = incoming.event_id
        RETURNING event_id, user_id, amount
    ), moved AS (
        INSERT INTO accounts AS a (account_id, event_count, balance)
        SELECT account_id, sum(event_count), sum(balance) FROM (
            SELECT user_id AS account_id, 1 AS event_count, amount AS balance FROM stored
            UNION ALL
            SELECT cast(:clearing_account AS text), 0, -amount FROM stored
        ) AS movement
        GROUP BY account_id ORDER BY account_id
        ON CONFLICT (account_id) DO UPDATE
        SET event_count = a.event_count + excluded.event_count, balance = a.balance + excluded.balance
    )
    SELECT event_id FROM stored
""")


def store(
    connection: Connection, events: Sequence[UserEvent], *, job_id: UUID | None, task_id: UUID, attempt: int
) -> set[UUID]:
    """Store each event once; returns the ids that were new. The others were stored before, which is a success too."""
    unique = sorted({event.event_id: event for event in events}.values(), key=lambda event: event.event_id)
    if not unique:
        return set()
    rows = connection.execute(
        _STORE,
        {
            "event_ids": [event.event_id for event in unique],
            "user_ids": [event.user_id for event in unique],
            "amounts": [event.amount for event in unique],
            "types": [event.type for event in unique],
            "occurred_ats": [event.occurred_at for event in unique],
            "payloads": [event.payload for event in unique],
            "job_id": job_id,
            "task_id": task_id,
            "attempt": attempt,
            "clearing_account": f"clearing:{task_id.int % CLEARING_ACCOUNTS:02}",
        },
    )
    return set(rows.scalars())


_REMEMBER = text("""
    INSERT INTO inbox (dedupe_key, job_id, attempts) VALUES (:dedupe_key, :job_id, :attempt)
    ON CONFLICT DO NOTHING RETURNING dedupe_key
""")


def first_time(connection: Connection, dedupe_key: UUID, *, job_id: UUID | None = None, attempt: int = 0) -> bool:
    """Whether this key is new in the inbox; it is in it from then on, if the caller's transaction commits."""
    row = connection.execute(_REMEMBER, {"dedupe_key": dedupe_key, "job_id": job_id, "attempt": attempt})
    return row.scalar() is not None
