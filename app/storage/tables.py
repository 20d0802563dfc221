"""The tables, as SQLAlchemy Core sees them; `migrations/` creates them.

Tables that grow are partitioned so that retention drops partitions instead of deleting rows (law 4). Ids are UUIDv7:
they begin with the time, so a table partitioned by id is partitioned by time and still found by id alone. The module is
long because every table is described here and nowhere else.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()


def _at(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


#: One accepted request. Written once; its state is derived from the other tables (`job_state.py`).
jobs = Table(
    "jobs",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("task_name", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("keys", ARRAY(Text), nullable=False),  # of its items, as their sender calls them
    Column("api_key_id", Text, nullable=False),
    Column("correlation_id", Text, nullable=False),
    Column("traceparent", Text, nullable=False),
    _at("accepted_at"),
)

#: The messages to publish, immutable. A row outlives its publish until retention drops the day.
#: `properties` is json and not jsonb: a header may hold a NUL, which jsonb refuses.
outbox = Table(
    "outbox",
    metadata,
    Column("message_id", Uuid, primary_key=True),
    Column("job_id", Uuid),
    Column("task_id", Uuid, nullable=False),
    Column("task_name", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("properties", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

#: What is not confirmed by the broker yet: narrow, because these rows are updated (lease) and deleted (confirmed).
outbox_pending = Table(
    "outbox_pending",
    metadata,
    Column("message_id", Uuid, primary_key=True),
    Column("queue", Text, nullable=False),
    Column("body_bytes", Integer, nullable=False),  # so that a claim can be bounded before it reads bodies
    Column("beyond_share", Boolean, nullable=False),  # beyond its sender's share of the queue: the others leave first
    _at("due_at"),  # when it should first be sent
    _at("available_at"),  # when a relay may take it: the due time, or the end of a lease
)

#: Pauses, past ones too, and the messages that wait for the resume instead of in `outbox_pending` (`pauses.py`).
pauses = Table(
    "pauses",
    metadata,
    Column("pause_id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),  # queue or task
    Column("name", Text, nullable=False),
    _at("paused_at"),
    Column("paused_by", Text, nullable=False),
    Column("note", Text, nullable=False),
    _at("resumed_at", nullable=True),
    Column("resumed_by", Text),
)
outbox_held = Table(
    "outbox_held",
    metadata,
    Column("message_id", Uuid, primary_key=True),
    Column("pause_id", Uuid, nullable=False),
    Column("job_id", Uuid),
    Column("queue", Text, nullable=False),
    Column("body_bytes", Integer, nullable=False),
    Column("beyond_share", Boolean, nullable=False),
    _at("due_at"),
)

#: The keys of items that were executed (`inbox.py`).
inbox = Table(
    "inbox",
    metadata,
    Column("dedupe_key", Uuid, primary_key=True),
    Column("job_id", Uuid),
    Column("attempts", SmallInteger, nullable=False),
    _at("executed_at"),
    Column("result", Text),  # JSON, where a link, a chain or a chord gets it
)

#: Jobs that their owner has revoked, and items that were dropped because of that or because they expired
#: (`dropped_items.py`).
job_revocations = Table(
    "job_revocations",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    _at("revoked_at"),
)
dropped_items = Table(
    "dropped_items",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("dedupe_key", Uuid, primary_key=True),
    Column("outcome", Text, nullable=False),  # revoked or expired
    _at("dropped_at"),
)

#: What tasks declared with `result="postgresql"` returned (`app.results.postgresql_backend`).
results = Table(
    "results",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("meta", Text, nullable=False),  # JSON, as Celery writes it
    _at("stored_at"),
)

#: `external_calls`: calls of other systems that happen once. `far_sides`: those systems, with their breakers.
external_calls = Table(
    "external_calls",
    metadata,
    Column("request_id", Uuid, primary_key=True),
    Column("far_side", Text, nullable=False),
    Column("task_name", Text, nullable=False),
    Column("state", Text, nullable=False),  # new, begun or recorded
    Column("owner", Uuid),
    _at("leased_until"),
    Column("outcome", Text),  # JSON
    _at("changed_at"),
)
far_sides = Table(
    "far_sides",
    metadata,
    Column("far_side", Text, primary_key=True),
    Column("failures_in_a_row", Integer, nullable=False),
    _at("open_until"),
    _at("probed_until"),
)

#: The effect. No unique key on purpose: a duplicated effect must be visible here, not impossible by construction.
events = Table(
    "events",
    metadata,
    Column("event_id", Uuid, nullable=False),
    Column("job_id", Uuid),
    Column("task_id", Uuid, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    _at("occurred_at"),
    _at("stored_at"),
    Column("payload", JSONB, nullable=False),
)

#: Running totals per user, moved against clearing accounts: all balances together are 0 at every commit.
accounts = Table(
    "accounts",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("event_count", BigInteger, nullable=False),
    Column("balance", BigInteger, nullable=False),
)

#: Every failed attempt; a dead letter is joined with its last one.
task_failures = Table(
    "task_failures",
    metadata,
    Column("failure_id", Uuid, primary_key=True),
    Column("task_id", Uuid, nullable=False),
    Column("task_name", Text, nullable=False),
    Column("job_id", Uuid),
    Column("queue", Text, nullable=False),
    Column("attempt", SmallInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("exception_type", Text, nullable=False),
    Column("exception_message", Text, nullable=False),
    Column("traceback", Text, nullable=False),
    Column("worker", Text, nullable=False),
    Column("version", Text, nullable=False),
    _at("failed_at"),
)

#: The archive of dead messages: whole, so that they can be replayed. `state`: dead, replayed or discarded.
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("dead_letter_id", Uuid, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("task_id", Uuid),
    Column("task_name", Text),
    Column("job_id", Uuid),
    Column("keys", ARRAY(Text), nullable=False),
    Column("exception_type", Text),
    Column("exception_message", Text),
    Column("attempts", SmallInteger, nullable=False),
    Column("exchange", Text, nullable=False),
    Column("routing_key", Text, nullable=False),
    Column("properties", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    _at("died_at"),
    _at("archived_at"),
)

#: Who did what to a dead letter, and why.
dead_letter_actions = Table(
    "dead_letter_actions",
    metadata,
    Column("action_id", Uuid, primary_key=True),
    Column("dead_letter_id", Uuid, nullable=False),
    Column("action", Text, nullable=False),  # replayed or discarded
    Column("actor", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("message_id", Uuid),
    _at("acted_at"),
)

#: `batches`: batches of rows with their counts. `batch_chunks`: their rows, until a chunk is done. `batch_uploads`:
#: the uploads that rows come from.
batches = Table(
    "batches",
    metadata,
    Column("batch_id", Uuid, primary_key=True),
    Column("task_name", Text, nullable=False),
    Column("api_key_id", Text, nullable=False),
    Column("chunks_added", Integer, nullable=False),
    Column("rows_added", BigInteger, nullable=False),
    Column("chunks_done", Integer, nullable=False),
    Column("rows_done", BigInteger, nullable=False),
    Column("uploads_taken", Integer, nullable=False),
    Column("uploads_ended", Integer, nullable=False),
    _at("opened_at"),
    _at("sealed_at", nullable=True),
    _at("finished_at", nullable=True),
    Column("aggregate", Text),  # JSON
)
batch_chunks = Table(
    "batch_chunks",
    metadata,
    Column("batch_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True),  # the sender's
    Column("row_count", Integer, nullable=False),
    Column("body_hash", LargeBinary, nullable=False),
    Column("body", LargeBinary),  # JSON as it was sent
    Column("part", Text),  # JSON, for the aggregate
    _at("done_at", nullable=True),
)

batch_uploads = Table(
    "batch_uploads",
    metadata,
    Column("batch_id", Uuid, primary_key=True),
    Column("upload_key", Text, primary_key=True),  # SHA-256
    Column("number", Integer, nullable=False),  # in its batch, from 0
    Column("chunks", Integer, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("refused_line", BigInteger),
    Column("refused_because", Text),
    _at("ended_at", nullable=True),
)

#: The job of each key that waits or runs (`app/storage/unique_jobs.py`).
unique_jobs = Table(
    "unique_jobs",
    metadata,
    Column("task_name", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("task_id", Uuid, nullable=False),
    Column("requests", BigInteger, nullable=False),
    _at("due_at"),
)

#: The lines of tasks in order, and the items that stand in them (`app/storage/ordered_items.py`).
ordered_keys = Table(
    "ordered_keys",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("accepted", BigInteger, nullable=False),
    Column("ended", BigInteger, nullable=False),
)
ordered_items = Table(
    "ordered_items",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("place", BigInteger, primary_key=True),
    Column("message_id", Uuid, nullable=False),  # in the outbox
    Column("task_id", Uuid, nullable=False),
)

#: The state of each task in steps that has not ended (`app/storage/checkpoints.py`).
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("task_name", Text, nullable=False),
    Column("job_id", Uuid),  # of the message that it belongs to
    Column("slice", Integer, nullable=False),
    Column("steps", BigInteger, nullable=False),
    Column("state", Text),  # JSON; none before the first step
    _at("changed_at"),
)

#: Messages that were put back because the first ones had vanished from the broker (`app/patterns/reconciler.py`).
put_back = Table(
    "put_back",
    metadata,
    Column("message_id", Uuid, primary_key=True),
    Column("job_id", Uuid, nullable=False),
    _at("put_back_at"),
    Column("put_back_by", Text, nullable=False),
)

#: Content in S3, by the hash that is its key, and the API key that stored it first (`app/storage/object_uses.py`).
objects = Table(
    "objects",
    metadata,
    Column("key", Text, primary_key=True),
    _at("used_at"),
    Column("api_key_id", Text),
    Column("counted_bytes", BigInteger),  # at least those of a small content
    _at("stored_at", nullable=True),
)

#: The last slot that beat has handled, for each schedule.
schedules = Table(
    "schedules",
    metadata,
    Column("schedule", Text, primary_key=True),
    _at("last_slot"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("api_key_id", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("job_id", Uuid, nullable=False),
    _at("expires_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("api_key_id", Text, primary_key=True),
    Column(
        "secret_hash", LargeBinary, nullable=False
    ),  # SHA-256 of 256 random bits: nothing to guess, so nothing to slow
    Column("label", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("requests_per_second", Float, nullable=False),
    _at("created_at"),
    _at("revoked_at", nullable=True),
)
