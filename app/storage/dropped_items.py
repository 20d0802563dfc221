"""Items of jobs that were not executed and never will be: revoked by their owner, or expired before they started.

`job_revocations` holds the owner's word; `dropped_items` holds the end of each item, written by the relay or the worker
that dropped its message. The state of a job follows from both (`job_state.py`); docs/adr/0025 states the law.
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


def record(connection: Connection, items: Collection[tuple[UUID, UUID]], outcome: Outcome) -> None:
    """Record the end of items, each the id of its job and its dedupe key; what is recorded already stays."""
    job_ids, keys = [job_id for job_id, _ in items], [key for _, key in items]
    connection.execute(_DROP, {"job_ids": job_ids, "keys": keys, "outcome": outcome.value})


def record_unexecuted(connection: Connection, job_id: UUID, keys: Collection[UUID], outcome: Outcome) -> None:
    """Record the end of those items that nobody has executed, or is executing.

    A redelivered message may meet its own first run, whose transaction is still open: this waits for it, as a second
    run would. Otherwise the item would be dropped first and executed afterwards.
    """
    attempt = connection.begin_nested()
    free = inbox.remember(connection, keys)
    attempt.rollback()
    record(connection, [(job_id, key) for key in free], outcome)
