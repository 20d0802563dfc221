"""Pauses of queues and tasks. While one is in force its messages are in `outbox_held`, and not in `outbox_pending`.

A relay holds a message instead of sending it. A worker that gets one sends a copy through the outbox, where a relay
holds it. After the resume relays put held messages back. A relay that held a message just after the resume does no
harm: the next look at resumed pauses finds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from app.storage.identifiers import new_id
from app.storage.outbox import ClaimedMessage


class Kind(StrEnum):
    """The kinds of things that can be paused."""

    QUEUE = "queue"
    TASK = "task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A pause; one that is over has `resumed_at`."""

    kind: Kind
    name: str
    paused_at: datetime
    paused_by: str
    note: str
    resumed_at: datetime | None
    resumed_by: str | None
    #: For how long it has been in force, or was.
    age_seconds: float
    #: Messages that wait for its end; not more than `COUNTED_MAX` are counted.
    held: int


COUNTED_MAX = 100_000

_BEGIN = text("""
    INSERT INTO pauses (pause_id, kind, name, paused_by, note) VALUES (:pause_id, :kind, :name, :by, :note)
    ON CONFLICT DO NOTHING
""")
_END = text("""
    UPDATE pauses SET resumed_at = now(), resumed_by = :by
    WHERE kind = :kind AND name = :name AND resumed_at IS NULL
""")
_IN_FORCE = text("SELECT kind, name FROM pauses WHERE resumed_at IS NULL")
_LIST = text(f"""
    SELECT kind, name, paused_at, paused_by, note, resumed_at, resumed_by,
           extract(epoch FROM coalesce(resumed_at, now()) - paused_at)::float8 AS age_seconds,
           (SELECT count(*) FROM (
                SELECT FROM outbox_held h WHERE h.pause_id = p.pause_id LIMIT {COUNTED_MAX}) one) AS held
    FROM pauses p WHERE resumed_at IS NULL OR :past
    ORDER BY resumed_at IS NOT NULL, paused_at DESC
""")  # noqa: S608 - an own number
_HOLD = text("""
    WITH taken AS (
        DELETE FROM outbox_pending WHERE message_id = ANY (cast(:ids AS uuid[]))
        RETURNING message_id, queue, beyond_share, body_bytes, due_at
    )
    INSERT INTO outbox_held (message_id, pause_id, job_id, queue, beyond_share, body_bytes, due_at)
    SELECT message_id, pause_id, job_id, queue, beyond_share, body_bytes, due_at
    FROM taken JOIN unnest(cast(:ids AS uuid[]), cast(:pause_ids AS uuid[]), cast(:job_ids AS uuid[]))
        AS held(message_id, pause_id, job_id) USING (message_id)
""")
# They count as due now: they were not late before, and the gateway must not refuse requests because they waited.
_RELEASE = text("""
    WITH freed AS (
        DELETE FROM outbox_held WHERE message_id = ANY (ARRAY(
            SELECT h.message_id FROM pauses p JOIN outbox_held h USING (pause_id)
            WHERE p.resumed_at IS NOT NULL AND h.queue = :queue
            ORDER BY h.due_at
            LIMIT greatest(0, :pending_max - (SELECT count(*) FROM (
                SELECT FROM outbox_pending
                WHERE queue = :queue AND NOT beyond_share AND available_at <= now() LIMIT :pending_max) one))
            FOR UPDATE OF h SKIP LOCKED
        )) RETURNING message_id, queue, beyond_share, body_bytes
    )
    INSERT INTO outbox_pending (message_id, queue, beyond_share, body_bytes, due_at, available_at)
    SELECT message_id, queue, beyond_share, body_bytes, now(), now() FROM freed
""")
_QUEUES = text("""
    SELECT DISTINCT h.queue FROM pauses p JOIN outbox_held h USING (pause_id) WHERE p.resumed_at IS NOT NULL
""")
_TAKE_OF_JOBS = text("""
    DELETE FROM outbox_held WHERE message_id = ANY (ARRAY(
        SELECT message_id FROM (
            SELECT message_id, sum(body_bytes) OVER (ORDER BY message_id) - body_bytes AS bytes_before FROM (
                SELECT message_id, body_bytes FROM outbox_held WHERE job_id = ANY (cast(:job_ids AS uuid[]))
                ORDER BY message_id LIMIT :most
            ) AS found
        ) AS counted WHERE bytes_before < :most_bytes
    )) RETURNING message_id
""")


def begin(connection: Connection, kind: Kind, name: str, *, by: str, note: str) -> bool:
    """Pause; returns False if it is paused already."""
    named = {"pause_id": new_id(), "kind": kind.value, "name": name, "by": by, "note": note}
    return connection.execute(_BEGIN, named).rowcount == 1


def end(connection: Connection, kind: Kind, name: str, *, by: str) -> bool:
    """Resume; returns False if it is not paused. Relays put back what is held."""
    return connection.execute(_END, {"kind": kind.value, "name": name, "by": by}).rowcount == 1


def in_force(connection: Connection) -> frozenset[tuple[str, str]]:
    """The pauses in force now, as (kind, name)."""
    return frozenset((row.kind, row.name) for row in connection.execute(_IN_FORCE))


def listed(connection: Connection, *, past: bool = False) -> list[Pause]:
    """The pauses in force, the newest first, and the past ones after them if asked for."""
    return [Pause(**{**row, "kind": Kind(row["kind"])}) for row in connection.execute(_LIST, {"past": past}).mappings()]


def hold(connection: Connection, messages: Sequence[ClaimedMessage]) -> None:
    """Hold claimed messages, each for its own pause."""
    parameters = {
        "ids": [message.message_id for message in messages],
        "pause_ids": [message.pause_id for message in messages],
        "job_ids": [message.job_id for message in messages],
    }
    connection.execute(_HOLD, parameters)


def release(connection: Connection, *, pending_max: int) -> int:
    """Put back messages whose pause is over, until `pending_max` of their queue may leave; returns their number."""
    queues = connection.execute(_QUEUES).scalars().all()
    return sum(connection.execute(_RELEASE, {"queue": queue, "pending_max": pending_max}).rowcount for queue in queues)


def take_of_jobs(connection: Connection, job_ids: Sequence[UUID], *, most: int, most_bytes: int) -> list[UUID]:
    """Remove held messages of these jobs, which were revoked, within both bounds; returns their ids."""
    parameters = {"job_ids": list(job_ids), "most": most, "most_bytes": most_bytes}
    return list(connection.execute(_TAKE_OF_JOBS, parameters).scalars())
