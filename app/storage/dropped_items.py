"""Items of jobs that are never executed: their owner revoked the job, or they expired before they started.

`job_revocations` has a row for each revoked job. `dropped_items` has a row for each dropped item, which the relay or
worker that drops its message writes. A job's state is derived from both (`job_state.py`); docs/adr/0025 has the rules.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from app.storage import inbox


class Outcome(StrEnum):
    """Why an item is not executed. Also the outcome that workers count."""

    REVOKED = "revoked"
    EXPIRED = "expired"


_DROP = text("""
    INSERT INTO dropped_items (job_id, dedupe_key, outcome)
    SELECT job_id, dedupe_key, :outcome
    FROM unnest(cast(:job_ids AS uuid[]), cast(:keys AS uuid[])) AS d(job_id, dedupe_key)
    ORDER BY job_id, dedupe_key ON CONFLICT DO NOTHING
""")

#: Relays look for the messages of jobs that were revoked within this time.
_LATELY_SECONDS = 3600.0
_REVOKED_LATELY = text("""
    SELECT job_id FROM job_revocations WHERE revoked_at > now() - make_interval(secs => :seconds)
""")


def revoked_lately(connection: Connection) -> list[UUID]:
    """The jobs that were revoked within the last hour."""
    return list(connection.execute(_REVOKED_LATELY, {"seconds": _LATELY_SECONDS}).scalars())


def record(connection: Connection, items: Collection[tuple[UUID, UUID]], outcome: Outcome) -> None:
    """Record the end of items, given as (job id, dedupe key); an item that is recorded already keeps its outcome."""
    job_ids, keys = [job_id for job_id, _ in items], [key for _, key in items]
    connection.execute(_DROP, {"job_ids": job_ids, "keys": keys, "outcome": outcome.value})


def record_unexecuted(connection: Connection, items: Collection[tuple[UUID, UUID]], outcome: Outcome) -> None:
    """Record the outcome of those items, given as (job id, dedupe key), that no run has executed.

    The first run of a redelivered message may still have its transaction open. This waits until it ends, as a second
    run would; otherwise the item would be dropped first and executed afterwards.
    """
    attempt = connection.begin_nested()
    free = inbox.remember(connection, {key: job_id for job_id, key in items})
    attempt.rollback()
    record(connection, [(job_id, key) for job_id, key in items if key in free], outcome)
