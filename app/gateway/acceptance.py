"""The moment of acceptance: idempotency key, job and outbox rows in ONE statement: one round trip, one commit.

The statement is its own transaction (the connection is in autocommit mode): it is there whole, or not at all.
The key comes first, and everything else hangs on it: a concurrent twin waits for the first one's commit inside its own
insert, then finds that it has nothing to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from app.gateway.connections import Connection
from app.gateway.problems import KEY_REUSED, ProblemError
from app.storage import outbox
from app.storage.outbox import OutboxMessage

KEYS_SEPARATOR = "\x1f"
# A key that has expired is taken over; one that has not gives no row, and then nothing below inserts anything.
_KEY = """
    key AS (
        INSERT INTO idempotency_keys (api_key_id, idempotency_key, request_hash, job_id, expires_at)
        VALUES (%(api_key_id)s, %(idempotency_key)s, %(request_hash)s, %(job_id)s, %(expires_at)s)
        ON CONFLICT (api_key_id, idempotency_key) DO UPDATE
        SET request_hash = excluded.request_hash, job_id = excluded.job_id, expires_at = excluded.expires_at
        WHERE idempotency_keys.expires_at <= now()
        RETURNING 1
    ),
"""
_IF_NEW = "WHERE EXISTS (SELECT FROM key)"
_JOB = """
    job AS (
        INSERT INTO jobs (job_id, task_name, queue, keys, api_key_id, correlation_id, traceparent)
        SELECT %(job_id)s::uuid, %(task_name)s::text, %(queue)s::text, string_to_array(%(keys)s, chr(31)),
               %(api_key_id)s::text, %(correlation_id)s::text, %(traceparent)s::text
        {condition}
    ),
"""
# Arrays cost psycopg 20 us each, and one message is the case that must be cheap. Binary (%b): no escaping of bodies.
_ONE_MESSAGE = """
    message AS (
        SELECT %(message_id)s::uuid AS message_id, %(job_id)s::uuid AS job_id, %(task_id)s::uuid AS task_id,
               %(task_name)s::text AS task_name, %(queue)s::text AS queue,
               %(properties)s::text AS properties, %(body)b::bytea AS body,
               0::float8 AS delay_seconds
        {condition}
    ),
"""
_MANY_MESSAGES = """
    message AS (
        SELECT m.*, %(job_id)s::uuid AS job_id, %(task_name)s::text AS task_name, %(queue)s::text AS queue,
               0::float8 AS delay_seconds
        FROM unnest(%(message_ids)b::uuid[], %(task_ids)b::uuid[], %(properties)b::text[], %(bodies)b::bytea[])
             AS m(message_id, task_id, properties, body)
        {condition}
    ),
"""


def statement(*, with_key: bool, many: bool) -> str:
    """Put one of the four forms together; the last part is the outbox's own."""
    condition = _IF_NEW if with_key else ""
    parts = (_KEY if with_key else "", _JOB, _MANY_MESSAGES if many else _ONE_MESSAGE)
    return "WITH " + "".join(part.format(condition=condition) for part in parts) + outbox.ENQUEUE_MESSAGES


_STATEMENTS = {(key, many): statement(with_key=key, many=many) for key in (False, True) for many in (False, True)}
_EARLIER = """
    SELECT k.request_hash, k.job_id, cardinality(j.keys) AS accepted
    FROM idempotency_keys k LEFT JOIN jobs j USING (job_id)
    WHERE k.api_key_id = %(api_key_id)s AND k.idempotency_key = %(idempotency_key)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to be accepted."""

    job_id: UUID
    task_name: str
    queue: str
    #: Of the items, in their order.
    keys: Sequence[str]
    api_key_id: str
    correlation_id: str
    traceparent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """What the caller calls this request, and what makes it the same request."""

    key: str
    request_hash: bytes
    keep_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What the caller is told."""

    job_id: UUID
    items: int
    replayed: bool


def request_hash(body: bytes) -> bytes:
    """Two requests are the same when their bytes are: who repeats a request sends what he sent before."""
    return sha256(body).digest()


async def accept(
    connection: Connection, job: NewJob, messages: Sequence[OutboxMessage], key: IdempotencyKey | None
) -> Accepted:
    """Write it, once.

    Raises:
        ProblemError: 422 where the key was used for another body.
    """
    parameters = {**_job_parameters(job), **_message_parameters(messages)}
    if key is not None:
        parameters |= {
            "idempotency_key": key.key,
            "request_hash": key.request_hash,
            "expires_at": datetime.now(UTC) + timedelta(seconds=key.keep_seconds),
        }
    written = await connection.execute(_STATEMENTS[key is not None, len(messages) > 1], parameters)
    if key is None or written.rowcount:
        return Accepted(job_id=job.job_id, items=len(job.keys), replayed=False)
    found = await connection.execute(_EARLIER, parameters)
    earlier = await found.fetchone()
    if earlier is None or bytes(earlier["request_hash"]) != key.request_hash:
        raise ProblemError(KEY_REUSED, "Take a new key for a new request, or repeat the first one byte by byte.")
    return Accepted(
        job_id=earlier["job_id"],
        items=earlier["accepted"] or len(job.keys),
        # Our own: written by an attempt whose answer never came.
        replayed=earlier["job_id"] != job.job_id,
    )


def _job_parameters(job: NewJob) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "task_name": job.task_name,
        "queue": job.queue,
        # An array costs psycopg more. The gateway refuses keys with this character.
        "keys": KEYS_SEPARATOR.join(job.keys),
        "api_key_id": job.api_key_id,
        "correlation_id": job.correlation_id,
        "traceparent": job.traceparent,
    }


def _message_parameters(messages: Sequence[OutboxMessage]) -> dict[str, Any]:
    first = messages[0]
    if len(messages) == 1:
        return {
            "message_id": first.message_id,
            "task_id": first.task_id,
            "properties": orjson.dumps(first.properties).decode(),
            "body": first.body,
        }
    return {
        "message_ids": [message.message_id for message in messages],
        "task_ids": [message.task_id for message in messages],
        "properties": [orjson.dumps(message.properties).decode() for message in messages],
        "bodies": [message.body for message in messages],
    }
