"""The outbox: messages written in the same transaction as what they announce, claimed and confirmed by relays.

`outbox` holds the message for good (until its day is dropped); `outbox_pending` holds only its key, and only until the
broker has confirmed it. A claim is a lease: `available_at` moves into the future, the claim commits, and no lock is
held while the broker is asked. A relay that dies leaves rows that become available again when the lease ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, UUID as PG_UUID
from sqlalchemy.engine import Connection

from app.storage.identifiers import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """One AMQP message, ready to publish: `properties` are py-amqp's (`application_headers` included)."""

    task_id: UUID
    task_name: str
    queue: str
    exchange: str
    routing_key: str
    properties: dict[str, Any]
    body: bytes
    job_id: UUID | None = None
    #: Seconds from now before which a relay must not publish it.
    delay_seconds: float = 0.0
    message_id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedMessage:
    """A message that this relay may publish until its lease ends."""

    message_id: UUID
    attempts: int
    due_at: datetime
    task_id: UUID
    job_id: UUID | None
    task_name: str
    queue: str
    exchange: str
    routing_key: str
    properties: dict[str, Any]
    body: bytes


#: The rest of any statement whose WITH defines `message` (the gateway's accepts the job in the same one).
ENQUEUE_MESSAGES = """
    pending AS (
        INSERT INTO outbox_pending (message_id, queue, attempts, due_at, available_at)
        SELECT message_id, queue, 0, now() + make_interval(secs => delay_seconds),
               now() + make_interval(secs => delay_seconds)
        FROM message
    )
    INSERT INTO outbox (message_id, job_id, task_id, task_name, queue, exchange, routing_key, properties, body)
    SELECT message_id, job_id, task_id, task_name, queue, exchange, routing_key, cast(properties AS json), body
    FROM message
"""
ENQUEUE: TextClause = text(f"""
    WITH message AS (
        SELECT * FROM unnest(
            cast(:message_ids AS uuid[]), cast(:job_ids AS uuid[]), cast(:task_ids AS uuid[]),
            cast(:task_names AS text[]), cast(:queues AS text[]), cast(:exchanges AS text[]),
            cast(:routing_keys AS text[]), cast(:properties AS text[]), cast(:bodies AS bytea[]),
            cast(:delays AS float8[])
        ) AS m(message_id, job_id, task_id, task_name, queue, exchange, routing_key, properties, body, delay_seconds)
    ), {ENQUEUE_MESSAGES}""")  # noqa: S608 - our own text


def enqueue_parameters(messages: Sequence[OutboxMessage]) -> dict[str, list[Any]]:
    """The parameters of `ENQUEUE`, one array a column; for the gateway, whose connection is asynchronous."""
    return {
        "message_ids": [m.message_id for m in messages],
        "job_ids": [m.job_id for m in messages],
        "task_ids": [m.task_id for m in messages],
        "task_names": [m.task_name for m in messages],
        "queues": [m.queue for m in messages],
        "exchanges": [m.exchange for m in messages],
        "routing_keys": [m.routing_key for m in messages],
        "properties": [orjson.dumps(m.properties).decode() for m in messages],
        "bodies": [m.body for m in messages],
        "delays": [m.delay_seconds for m in messages],
    }


def enqueue(connection: Connection, messages: Sequence[OutboxMessage]) -> None:
    """Write messages in the caller's transaction: they are published if and only if it commits."""
    if messages:
        connection.execute(ENQUEUE, enqueue_parameters(messages))


# The inner query walks the index (queue, message_id); rows under another relay's lease are passed over.
_CLAIM = text("""
    WITH claimed AS (
        SELECT message_id FROM outbox_pending
        WHERE queue = :queue AND available_at <= now()
        ORDER BY message_id LIMIT :most
        FOR UPDATE SKIP LOCKED
    ), leased AS (
        UPDATE outbox_pending p
        SET available_at = now() + make_interval(secs => :lease_seconds), attempts = least(p.attempts + 1, 32000)
        FROM claimed WHERE p.message_id = claimed.message_id
        RETURNING p.message_id, p.attempts, p.due_at
    )
    SELECT leased.message_id, leased.attempts, leased.due_at, o.task_id, o.job_id, o.task_name, o.queue,
           o.exchange, o.routing_key, o.properties, o.body
    FROM leased JOIN outbox o USING (message_id)
    ORDER BY leased.message_id
""")


def claim(connection: Connection, *, queue: str, most: int, lease_seconds: float) -> list[ClaimedMessage]:
    """Lease up to `most` messages of a queue, oldest first; commit at once, then publish."""
    rows = connection.execute(_CLAIM, {"queue": queue, "most": most, "lease_seconds": lease_seconds})
    return [ClaimedMessage(**row) for row in rows.mappings()]


_IDS = bindparam("ids", type_=ARRAY(PG_UUID(as_uuid=True)))
_CONFIRMED = text("DELETE FROM outbox_pending WHERE message_id = ANY(:ids)").bindparams(_IDS)
_RELEASE = text("""
    UPDATE outbox_pending SET available_at = now() + make_interval(secs => :delay_seconds)
    WHERE message_id = ANY(:ids)
""").bindparams(_IDS)


def mark_confirmed(connection: Connection, message_ids: Sequence[UUID]) -> None:
    """The broker has these: nothing is left to do for them."""
    connection.execute(_CONFIRMED, {"ids": list(message_ids)})


def release(connection: Connection, message_ids: Sequence[UUID], *, delay_seconds: float) -> None:
    """These were not taken by the broker: any relay may try again after the delay."""
    connection.execute(_RELEASE, {"ids": list(message_ids), "delay_seconds": delay_seconds})


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits in the outbox for one queue."""

    queue: str
    messages: int
    oldest_age_seconds: float


#: The age counts from when a message was due: a retry that waits on purpose is not late.
BACKLOG = text("""
    SELECT queue, count(*) AS messages,
           greatest(coalesce(extract(epoch FROM now() - min(due_at)), 0), 0)::float8 AS oldest_age_seconds
    FROM outbox_pending GROUP BY queue
""")
