"""The outbox: messages written in the same transaction as what they announce, claimed and confirmed by relays.

`outbox` holds the message for good (until its day is dropped); `outbox_pending` holds only its key, and only until the
broker has confirmed it. A claim is a lease: `available_at` moves into the future, the claim commits, and no lock is
held while the broker is asked. A relay that dies leaves rows that become available again when the lease ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, UUID as PG_UUID
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from app import contract
from app.errors import LineFullError
from app.storage.identifiers import new_id
from app.storage.ordered_items import LINES, TAKE_PLACES, is_full


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """One AMQP message, ready to publish: `properties` are py-amqp's (`application_headers` included)."""

    task_id: UUID
    task_name: str
    queue: str
    properties: dict[str, Any]
    body: bytes
    job_id: UUID | None = None
    #: The line in which it waits for its turn (`ordered_items.py`). A copy has none: it keeps its message's place.
    order_id: UUID | None = None
    #: Whether it leaves after the others, because its sender has used up its share of the queue.
    beyond_share: bool = False
    #: Seconds from now before which a relay must not publish it.
    delay_seconds: float = 0.0
    message_id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedMessage:
    """A message that this relay may publish until its lease ends."""

    message_id: UUID
    task_id: UUID
    job_id: UUID | None
    task_name: str
    queue: str
    properties: dict[str, Any]
    body: bytes
    #: Whether its job was revoked: then it must not be sent.
    revoked: bool = False
    #: The pause of its queue or task: then it must not be sent now.
    pause_id: UUID | None = None


#: The rest of any statement whose WITH defines `message` (the gateway's accepts the job in the same one).
ENQUEUE_MESSAGES = """
    pending AS (
        INSERT INTO outbox_pending (message_id, queue, beyond_share, body_bytes, due_at, available_at)
        SELECT message_id, queue, beyond_share, octet_length(body), now() + make_interval(secs => delay_seconds),
               now() + make_interval(secs => delay_seconds)
        FROM message
    )
    INSERT INTO outbox (message_id, job_id, task_id, task_name, queue, properties, body)
    SELECT message_id, job_id, task_id, task_name, queue, cast(properties AS json), body
    FROM message
"""
#: The same, if `message` also has the columns `order_id` and `number`: only the first message of each line may leave.
ENQUEUE_IN_ORDER = TAKE_PLACES + ENQUEUE_MESSAGES.replace(
    """now() + make_interval(secs => delay_seconds)
        FROM message
    )""",
    """CASE WHEN place > ended + 1 THEN 'infinity' ELSE now() + make_interval(secs => delay_seconds) END
        FROM message LEFT JOIN placed USING (message_id)
    )""",
)


def _enqueue(rest: str) -> TextClause:
    return text(f"""
        WITH message AS (
            SELECT * FROM unnest(
                cast(:message_ids AS uuid[]), cast(:job_ids AS uuid[]), cast(:task_ids AS uuid[]),
                cast(:task_names AS text[]), cast(:queues AS text[]), cast(:properties AS text[]),
                cast(:bodies AS bytea[]), cast(:delays AS float8[]),
                cast(:order_ids AS uuid[]), cast(:beyond_shares AS bool[])
            ) WITH ORDINALITY
            AS m(message_id, job_id, task_id, task_name, queue, properties, body, delay_seconds, order_id, beyond_share,
                 number)
        ), {rest}""")  # noqa: S608 - our own text


ENQUEUE = _enqueue(ENQUEUE_MESSAGES)
# The caller's own line gets no item. It is among the others because whoever locks several lines does it in one order.
_OWN_LINE = " UNION ALL SELECT id, 0 FROM (SELECT cast(:line AS uuid)) AS own(id) WHERE id IS NOT NULL"
_ENQUEUE_IN_ORDER = _enqueue(ENQUEUE_IN_ORDER.replace(LINES, LINES + _OWN_LINE))


def enqueue_parameters(messages: Sequence[OutboxMessage]) -> dict[str, list[Any]]:
    """The parameters of `ENQUEUE`, one array a column; for the gateway, whose connection is asynchronous."""
    return {
        "message_ids": [m.message_id for m in messages],
        "job_ids": [m.job_id for m in messages],
        "task_ids": [m.task_id for m in messages],
        "task_names": [m.task_name for m in messages],
        "queues": [m.queue for m in messages],
        "properties": [orjson.dumps(m.properties).decode() for m in messages],
        "bodies": [m.body for m in messages],
        "delays": [m.delay_seconds for m in messages],
        "order_ids": [m.order_id for m in messages],
        "beyond_shares": [m.beyond_share for m in messages],
    }


def in_order(messages: Iterable[OutboxMessage]) -> bool:
    """Whether any of them stands in a line."""
    return any(message.order_id is not None for message in messages)


def enqueue(connection: Connection, messages: Sequence[OutboxMessage], *, line: UUID | None = None) -> None:
    """Write messages in the caller's transaction: they are published if and only if it commits.

    `line` is locked together with the lines of the messages, in one order.

    Raises:
        LineFullError: too many items wait in a line.
    """
    if not messages:
        return
    if not in_order(messages):
        connection.execute(ENQUEUE, enqueue_parameters(messages))
        return
    try:
        connection.execute(_ENQUEUE_IN_ORDER, enqueue_parameters(messages) | {"line": line})
    except IntegrityError as error:
        if is_full(error.orig):
            raise LineFullError(f"({contract.LINE_ITEMS_MAX} items)") from None
        raise


# The index (queue, beyond_share, available_at) ends where the rows begin that are not due, or under another relay's
# lease: however many wait for their time, a claim does not see them. The second step bounds the bytes; the first
# message always fits.
# An array, and not a join: for a table that is nearly always empty PostgreSQL plans a join that reads all of it.
_LEASE = text("""
    WITH available AS (
        SELECT message_id, available_at, body_bytes FROM outbox_pending
        WHERE queue = :queue AND beyond_share = :beyond_share AND available_at <= now()
        ORDER BY available_at LIMIT :most
        FOR UPDATE SKIP LOCKED
    ), fitting AS (
        SELECT message_id FROM (
            SELECT message_id, sum(body_bytes) OVER (ORDER BY available_at, message_id) - body_bytes AS bytes_before
            FROM available
        ) AS counted WHERE bytes_before < :most_bytes
    )
    UPDATE outbox_pending SET available_at = now() + make_interval(secs => :lease_seconds)
    WHERE message_id = ANY (ARRAY(SELECT message_id FROM fitting))
    RETURNING message_id, due_at
""")
_IDS = bindparam("ids", type_=ARRAY(PG_UUID(as_uuid=True)))
# A statement of its own: PostgreSQL needs longer to plan it than to find that nothing waits.
_BODIES = text(f"""
    SELECT message_id, task_id, job_id, task_name, queue, properties, body,
           EXISTS (SELECT FROM job_revocations r WHERE r.job_id = o.job_id) AS revoked,
           (SELECT pause_id FROM pauses p WHERE p.resumed_at IS NULL AND o.task_name <> '{contract.TASK_CANARY}'
            AND p.name = CASE p.kind WHEN 'queue' THEN o.queue ELSE o.task_name END LIMIT 1) AS pause_id
    FROM outbox o WHERE message_id = ANY (:ids)
""").bindparams(_IDS)  # noqa: S608 - an own name


# Ordered like a claim: without that PostgreSQL reads the whole table, as it expects to find such a message soon.
_ANY_BEYOND_SHARES = text("""
    SELECT true FROM outbox_pending WHERE queue = :queue AND beyond_share = true AND available_at <= now()
    ORDER BY available_at LIMIT 1
""")


def any_beyond_shares(connection: Connection, queue: str) -> bool:
    """Whether messages of this queue wait that are beyond their senders' shares."""
    return bool(connection.execute(_ANY_BEYOND_SHARES, {"queue": queue}).scalar())


def claim(
    connection: Connection, *, queue: str, most: int, most_bytes: int, lease_seconds: float, beyond_share: bool = False
) -> list[ClaimedMessage]:
    """Lease messages of a queue, oldest first, within both bounds; commit at once, then publish.

    They are either within their senders' shares or beyond them.
    """
    parameters = {
        "queue": queue, "most": most, "most_bytes": most_bytes, "lease_seconds": lease_seconds,
        "beyond_share": beyond_share,
    }  # fmt: skip
    leased = sorted((row.due_at, row.message_id) for row in connection.execute(_LEASE, parameters))
    return read(connection, [message_id for _, message_id in leased])


def read(connection: Connection, message_ids: Sequence[UUID]) -> list[ClaimedMessage]:
    """The messages with these ids, in this order."""
    if not message_ids:
        return []
    bodies = connection.execute(_BODIES, {"ids": list(message_ids)}).mappings()
    by_id = {row["message_id"]: ClaimedMessage(**row) for row in bodies}
    return [by_id[message_id] for message_id in message_ids if message_id in by_id]


# LATERAL with OFFSET looks the job of each pending row up by its key; PostgreSQL might plan to read all of the outbox.
_LOCK_OF_JOBS = text("""
    SELECT p.message_id, p.body_bytes FROM outbox_pending p
    CROSS JOIN LATERAL (SELECT job_id FROM outbox o WHERE o.message_id = p.message_id OFFSET 0) o
    WHERE o.job_id = ANY (cast(:job_ids AS uuid[])) AND (p.available_at <= now() OR p.available_at = p.due_at)
    LIMIT :most FOR UPDATE OF p SKIP LOCKED
""")


def lock_of_jobs(connection: Connection, job_ids: Sequence[UUID], *, most: int, most_bytes: int) -> list[UUID]:
    """The ids of pending messages of these jobs that no relay has leased, locked until the transaction ends.

    At most `most` of them, and so many that their bodies have `most_bytes`; the first one always fits.
    """
    rows = connection.execute(_LOCK_OF_JOBS, {"job_ids": list(job_ids), "most": most}).all()
    before = accumulate((row.body_bytes for row in rows), initial=0)
    return [row.message_id for row, bytes_before in zip(rows, before, strict=False) if bytes_before < most_bytes]


_CONFIRMED = text("DELETE FROM outbox_pending WHERE message_id = ANY(:ids)").bindparams(_IDS)
_RELEASE = text("UPDATE outbox_pending SET available_at = now() WHERE message_id = ANY(:ids)").bindparams(_IDS)


def mark_confirmed(connection: Connection, message_ids: Sequence[UUID]) -> None:
    """Delete the pending rows of messages that the broker has, or must not get."""
    connection.execute(_CONFIRMED, {"ids": list(message_ids)})


def release(connection: Connection, message_ids: Sequence[UUID]) -> None:
    """These were not taken by the broker: any relay may try again."""
    connection.execute(_RELEASE, {"ids": list(message_ids)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits in the outbox for one queue."""

    queue: str
    messages: int
    #: Only of messages within their senders' shares: the others are held back on purpose.
    oldest_age_seconds: float


#: Messages that `BACKLOG` counts of a queue, within shares and beyond them: more than any bound of a gateway.
_COUNTED_MAX = 250_000
#: Of what is due: a task that waits for its time or its turn is not late, and no reason to refuse others. It reads the
#: index's beginning, so that it does not take longer the more messages wait for their time or their turn.
BACKLOG = text(f"""
    SELECT queue, count(*) AS messages,
           coalesce(greatest(extract(epoch FROM now() - min(due_at) FILTER (WHERE NOT beyond_share)), 0), 0)::float8
               AS oldest_age_seconds
    FROM unnest(cast('{{{",".join(contract.queue_names())}}}' AS text[])) AS q(queue)
    CROSS JOIN (VALUES (false), (true)) AS b(beyond_share)
    CROSS JOIN LATERAL (
        SELECT due_at FROM outbox_pending p
        WHERE p.queue = q.queue AND p.beyond_share = b.beyond_share AND p.available_at < 'infinity'
        ORDER BY available_at LIMIT {_COUNTED_MAX}
    ) one
    WHERE due_at <= now() GROUP BY queue
""")  # noqa: S608 - own names
