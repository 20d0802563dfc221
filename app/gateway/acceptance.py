"""Writes accepted requests: idempotency keys, jobs and outbox rows in ONE statement, one round trip, one commit.

The connection is in autocommit mode, so the statement takes effect whole or not at all. Requests that come while others
are written share the next statement. The statement inserts keys first, and jobs and messages only for new keys: if two
requests with one key come at once, the second waits in its insert for the first's commit, and then writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
import psycopg

from app import contract
from app.failpoints import Failpoint, failpoint
from app.gateway.connections import Connection
from app.gateway.database import Database
from app.gateway.problems import KEY_REUSED, OVERLOADED, UNAVAILABLE, ProblemError, retry_after
from app.gateway.together import Together
from app.storage import outbox
from app.storage.ordered_items import is_full
from app.storage.outbox import OutboxMessage

KEYS_SEPARATOR = "\x1f"
#: Statements under way at once, of those with keys and of those without: one is sent while another commits.
_AT_ONCE = 2
#: Requests in one statement. A longer statement gains nothing, and all its requests wait for it.
_MOST = 64
#: A request with more bytes has a statement of its own, so that others do not wait for it.
_ALONE_BYTES = 64 * 1024
#: A request may wait this long for its statement, as long as for a connection.
_PATIENCE_SECONDS = 3.0
_RETRY_SECONDS = 2.0
#: A line ends about 20 items a second.
_LINE_RETRY_SECONDS = 10.0

# A key that has expired is replaced. A key that has not gives no row, and then nothing below is inserted for it.
# Sorted, so that two statements that hold the same keys cannot wait for each other.
_KEY = """
    key AS (
        INSERT INTO idempotency_keys (api_key_id, idempotency_key, request_hash, job_id, expires_at)
        SELECT * FROM unnest(
            %(api_key_ids)b::text[], %(idempotency_keys)b::text[], %(request_hashes)b::bytea[], %(job_ids)b::uuid[],
            %(expires_ats)b::timestamptz[]
        ) AS k(api_key_id, idempotency_key, request_hash, job_id, expires_at)
        ORDER BY api_key_id, idempotency_key
        ON CONFLICT (api_key_id, idempotency_key) DO UPDATE
        SET request_hash = excluded.request_hash, job_id = excluded.job_id, expires_at = excluded.expires_at
        WHERE idempotency_keys.expires_at <= now()
        RETURNING job_id
    ),
"""
_IF_NEW = "WHERE job_id IN (SELECT job_id FROM key)"
_JOBS_AND_MESSAGES = """
    job AS (
        INSERT INTO jobs (job_id, task_name, queue, keys, api_key_id, correlation_id, traceparent)
        SELECT job_id, task_name, queue, string_to_array(keys, chr(31)), api_key_id, correlation_id, traceparent
        FROM unnest(
            %(job_ids)b::uuid[], %(task_names)b::text[], %(queues)b::text[], %(keys)b::text[], %(api_key_ids)b::text[],
            %(correlation_ids)b::text[], %(traceparents)b::text[]
        ) AS j(job_id, task_name, queue, keys, api_key_id, correlation_id, traceparent)
        {condition}
    ),
    message AS (
        SELECT message_id, job_id, task_id, task_name, queue, properties, body, 0::float8 AS delay_seconds,
               beyond_share{order}
        FROM unnest(
            %(message_ids)b::uuid[], %(of_job_ids)b::uuid[], %(task_ids)b::uuid[], %(of_task_names)b::text[],
            %(of_queues)b::text[], %(properties)b::text[], %(bodies)b::bytea[], %(of_order_ids)b::text[],
            %(beyond_shares)b::bool[]
        ) WITH ORDINALITY
        AS m(message_id, job_id, task_id, task_name, queue, properties, body, line, beyond_share, number)
        {condition}
    ),
"""
_ORDER = ", number, cast(nullif(line, '') AS uuid) AS order_id"


def statement(*, with_keys: bool, in_order: bool) -> str:
    """Compose the statement, with or without keys, and with or without order. Its last part is the outbox's."""
    condition = _IF_NEW if with_keys else ""
    key = _KEY if with_keys else ""
    rows = _JOBS_AND_MESSAGES.format(condition=condition, order=_ORDER if in_order else "")
    return "WITH " + key + rows + (outbox.ENQUEUE_IN_ORDER if in_order else outbox.ENQUEUE_MESSAGES)


_STATEMENTS = {
    (with_keys, in_order): statement(with_keys=with_keys, in_order=in_order)
    for with_keys in (False, True)
    for in_order in (False, True)
}
_EARLIER = """
    SELECT k.api_key_id, k.idempotency_key, k.request_hash, k.job_id, cardinality(j.keys) AS accepted
    FROM unnest(%(api_key_ids)b::text[], %(idempotency_keys)b::text[]) AS asked(api_key_id, idempotency_key)
    JOIN idempotency_keys k USING (api_key_id, idempotency_key) LEFT JOIN jobs j USING (job_id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to be accepted."""

    job_id: UUID
    task_name: str
    queue: str
    #: The keys of the items, in the order of the items.
    keys: Sequence[str]
    api_key_id: str
    correlation_id: str
    traceparent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """The caller's name for a request, and the hash that tells a repetition from another request."""

    key: str
    request_hash: bytes
    keep_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Everything that is written for a request."""

    job: NewJob
    messages: Sequence[OutboxMessage]
    key: IdempotencyKey | None

    @property
    def name(self) -> tuple[str, str]:
        """The caller's key, or the job's id: no two orders of one statement may have the same."""
        return self.job.api_key_id, self.key.key if self.key is not None else str(self.job.job_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What the caller is told."""

    job_id: UUID
    items: int
    replayed: bool


def request_hash(body: bytes) -> bytes:
    """The hash of a body. Two requests are the same if their bodies are the same, byte by byte."""
    return sha256(body).digest()


class Acceptance:
    """Writes orders. Those that wait at the same time are written together."""

    def __init__(self, database: Database) -> None:
        """Nothing is written yet."""
        self._database = database
        self._with_key, self._without_key = (
            Together(partial(self._write, with_keys=with_keys), at_once=_AT_ONCE, most=_MOST,
                     patience_seconds=_PATIENCE_SECONDS)
            for with_keys in (True, False)
        )  # fmt: skip

    async def accept(self, order: Order) -> Accepted:
        """Write an order once.

        Raises:
            ProblemError: 422 if the key was used for another body; 503 if PostgreSQL is away or slow, or if too many
                items wait in a line.
        """
        if sum(len(message.body) for message in order.messages) > _ALONE_BYTES:
            [answer] = await self._write([order], with_keys=order.key is not None)
            if isinstance(answer, Exception):
                raise answer
            return answer
        together = self._with_key if order.key is not None else self._without_key
        try:
            return await together.ask(order)
        except TimeoutError:
            raise ProblemError(UNAVAILABLE, headers=retry_after(_RETRY_SECONDS)) from None

    async def _write(self, orders: Sequence[Order], *, with_keys: bool) -> Sequence[Accepted | Exception]:
        async def write(connection: Connection) -> list[Accepted | Exception]:
            failpoint(Failpoint.GATEWAY_BEFORE_COMMIT)
            return await write_orders(connection, orders)

        try:
            # With keys the statement may be repeated: it finds what the first attempt wrote.
            return await self._database.run(write, writes=True, repeatable=with_keys)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            if len(orders) == 1:
                return [_line_full() if is_full(error) else error]
            # Nothing of it was written. It is one request's fault, and no other's.
            return [await self._write_one(order, with_keys=with_keys) for order in orders]

    async def _write_one(self, order: Order, *, with_keys: bool) -> Accepted | Exception:
        try:
            [answer] = await self._write([order], with_keys=with_keys)
        except Exception as error:  # noqa: BLE001 - its own caller gets it; the others may have been written
            return error
        return answer


def _line_full() -> ProblemError:
    detail = f"{contract.LINE_ITEMS_MAX:,} items with the same order wait already. Send these when some have ended."
    return ProblemError(OVERLOADED, detail, headers=retry_after(_LINE_RETRY_SECONDS))


async def write_orders(connection: Connection, orders: Sequence[Order]) -> list[Accepted | Exception]:
    """Write orders that all have an idempotency key, or none."""
    # A statement takes each key once; a second order with the same key is written afterwards.
    first = {order.name: order for order in reversed(orders)}
    now = [order for order in orders if first[order.name] is order]
    parameters = _parameters(now)
    in_order = outbox.in_order(message for order in now for message in order.messages)
    written = await connection.execute(_STATEMENTS[now[0].key is not None, in_order], parameters)
    earlier: dict[tuple[str, str], dict[str, Any]] = {}
    if now[0].key is not None and written.rowcount < sum(len(order.messages) for order in now):
        found = await connection.execute(_EARLIER, parameters)
        earlier = {(row["api_key_id"], row["idempotency_key"]): row for row in await found.fetchall()}
        missing: dict[str, Any] = {"request_hash": b"", "job_id": None}
        earlier = {order.name: earlier.get(order.name, missing) for order in now}
    answers = {id(order): _answer(order, earlier.get(order.name)) for order in now}
    if later := [order for order in orders if id(order) not in answers]:
        answers |= {id(order): one for order, one in zip(later, await write_orders(connection, later), strict=True)}
    return [answers[id(order)] for order in orders]


def _answer(order: Order, earlier: dict[str, Any] | None) -> Accepted | Exception:
    if earlier is None or order.key is None:
        return Accepted(job_id=order.job.job_id, items=len(order.job.keys), replayed=False)
    if bytes(earlier["request_hash"]) != order.key.request_hash:
        return ProblemError(KEY_REUSED, "Take a new key for a new request, or repeat the first one byte by byte.")
    return Accepted(
        job_id=earlier["job_id"],
        items=earlier["accepted"] or len(order.job.keys),
        # Equal if this statement wrote the job, or an earlier attempt whose answer was lost.
        replayed=earlier["job_id"] != order.job.job_id,
    )


def _parameters(orders: Sequence[Order]) -> dict[str, Any]:
    jobs = [order.job for order in orders]
    messages = [(order.job, message) for order in orders for message in order.messages]
    parameters: dict[str, Any] = {
        "job_ids": [job.job_id for job in jobs],
        "task_names": [job.task_name for job in jobs],
        "queues": [job.queue for job in jobs],
        # PostgreSQL has no ragged arrays. The gateway refuses keys with this character.
        "keys": [KEYS_SEPARATOR.join(job.keys) for job in jobs],
        "api_key_ids": [job.api_key_id for job in jobs],
        "correlation_ids": [job.correlation_id for job in jobs],
        "traceparents": [job.traceparent for job in jobs],
        "message_ids": [message.message_id for _, message in messages],
        "of_job_ids": [job.job_id for job, _ in messages],
        "task_ids": [message.task_id for _, message in messages],
        "of_task_names": [job.task_name for job, _ in messages],
        "of_queues": [job.queue for job, _ in messages],
        "properties": [orjson.dumps(message.properties).decode() for _, message in messages],
        "bodies": [message.body for _, message in messages],
        "beyond_shares": [message.beyond_share for _, message in messages],
        "of_order_ids": ["" if message.order_id is None else str(message.order_id) for _, message in messages],
    }
    if keys := [order.key for order in orders if order.key is not None]:
        now = datetime.now(UTC)
        parameters |= {
            "idempotency_keys": [key.key for key in keys],
            "request_hashes": [key.request_hash for key in keys],
            "expires_ats": [now + timedelta(seconds=key.keep_seconds) for key in keys],
        }
    return parameters
