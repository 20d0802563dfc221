"""Finds jobs and batches that have not ended and have no message in PostgreSQL (`app/patterns/reconciler.py`).

The outbox keeps the messages of seven days, confirmed or not. So vanished messages can be sent again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from app import contract
from app.storage import outbox
from app.storage.identifiers import later_id
from app.storage.outbox import ClaimedMessage

#: A job's messages get their ids within this time after the job's own.
_MESSAGES_WITHIN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A job with items that have not ended, or a batch with chunks that are not done. A batch has no `queue` here."""

    job_id: UUID
    task_name: str
    queue: str
    keys: tuple[str, ...]


# It reads no further than the page.
_PAGE_END = text("""
    SELECT job_id FROM (
        SELECT job_id, sum(cardinality(keys)) OVER (ORDER BY job_id) - cardinality(keys) AS items_before
        FROM jobs WHERE job_id >= :first AND job_id < :end
    ) counted WHERE items_before >= :items ORDER BY job_id LIMIT 1
""")
# Scalar subqueries, and not joins: PostgreSQL looks each item up in the inbox, and does not read all of it.
_JOBS = text("""
    SELECT j.job_id, j.task_name, j.queue, array_agg(k.key) AS keys
    FROM jobs j CROSS JOIN LATERAL (
        SELECT key, dedupe_key(j.task_name, j.api_key_id, key) AS dedupe_key FROM unnest(j.keys) AS one(key)
    ) k
    WHERE j.job_id >= :first AND j.job_id < :end
      AND (SELECT true FROM inbox i WHERE i.dedupe_key = k.dedupe_key) IS NULL
      AND (SELECT true FROM job_revocations r WHERE r.job_id = j.job_id) IS NULL
      AND (SELECT true FROM dropped_items d WHERE d.job_id = j.job_id AND d.dedupe_key = k.dedupe_key) IS NULL
      AND NOT EXISTS (SELECT FROM dead_letters l WHERE l.job_id = j.job_id AND l.state <> 'replayed'
                      AND (k.key = ANY (l.keys) OR l.keys = '{}'))
    GROUP BY j.job_id, j.task_name, j.queue ORDER BY j.job_id
""")
# The keys are those of the messages: a chunk's, an upload's, or the batch's id for the aggregate.
_CHUNKS = text("""
    WITH unfinished AS (
        SELECT * FROM batches b WHERE b.batch_id >= :first AND b.batch_id < :end AND b.finished_at IS NULL
          AND (SELECT true FROM job_revocations r WHERE r.job_id = b.batch_id) IS NULL
    ), missing AS (
        SELECT batch_id, task_name, batch_id::text || '/' || c.number::text AS key
        FROM unfinished JOIN batch_chunks c USING (batch_id) WHERE c.done_at IS NULL
        UNION ALL
        SELECT batch_id, task_name, batch_id::text || '/' || u.upload_key
        FROM unfinished JOIN batch_uploads u USING (batch_id) WHERE u.ended_at IS NULL
        UNION ALL
        SELECT batch_id, task_name, batch_id::text FROM unfinished
        WHERE sealed_at IS NOT NULL AND chunks_done = chunks_added
    )
    SELECT batch_id AS job_id, task_name, '' AS queue, array_agg(key) AS keys FROM missing m
    WHERE NOT EXISTS (SELECT FROM dead_letters l WHERE l.job_id = m.batch_id AND l.state <> 'replayed'
                      AND m.key = ANY (l.keys))
    GROUP BY batch_id, task_name ORDER BY batch_id
""")
#: Items that have a message in PostgreSQL, and jobs whose messages were put back lately. A row without a key stands for
#: all items of its job. Messages of one job may wait for different things, so each item needs a message of its own.
_NOT_VANISHED = text(f"""
    SELECT o.job_id, o.properties -> 'application_headers' ->> '{contract.MESSAGE_KEY}' AS key
    FROM (SELECT message_id FROM outbox_pending UNION ALL
          SELECT message_id FROM outbox_held WHERE job_id = ANY (cast(:job_ids AS uuid[]))) p
    CROSS JOIN LATERAL (SELECT job_id, properties FROM outbox o WHERE o.message_id = p.message_id OFFSET 0) o
    WHERE o.job_id = ANY (cast(:job_ids AS uuid[]))
    UNION SELECT job_id, NULL FROM put_back
    WHERE job_id = ANY (cast(:job_ids AS uuid[])) AND put_back_at > now() - make_interval(secs => :lately_seconds)
""")  # noqa: S608 - an own name
_MESSAGES = text("""
    SELECT message_id FROM outbox WHERE message_id >= :job_id AND message_id < :before AND job_id = :job_id
    ORDER BY message_id
""")
_SLICE = text("SELECT slice FROM checkpoints WHERE run_id = :run_id")
_RECORD = text("""
    INSERT INTO put_back (message_id, job_id, put_back_by)
    SELECT message_id, job_id, :by FROM unnest(cast(:ids AS uuid[]), cast(:job_ids AS uuid[])) AS p(message_id, job_id)
""")
#: One reconciler at a time; the lock ends with the transaction.
_LOCK = text("SELECT pg_try_advisory_xact_lock(7263849501)")
_PUT_BACK_LATELY = text("SELECT count(*) FROM put_back WHERE put_back_at > now() - interval '1 day'")


def page_end(connection: Connection, *, first: UUID, end: UUID, items: int) -> UUID:
    """The id before which the jobs from `first` on have about so many items; `end` if they have fewer."""
    found: UUID | None = connection.execute(_PAGE_END, {"first": first, "end": end, "items": items}).scalar()
    return found or end


def unfinished(connection: Connection, *, first: UUID, end: UUID, lately_seconds: float) -> list[Unfinished]:
    """Jobs and batches with ids from `first` to before `end` that are not finished and whose messages are gone."""
    bounds = {"first": first, "end": end}
    rows = [row for statement in (_JOBS, _CHUNKS) for row in connection.execute(statement, bounds).mappings()]
    # After the jobs: a message that was pending until then may have left meanwhile, and is seen as gone the next time.
    parameters = {"job_ids": list({row["job_id"] for row in rows}), "lately_seconds": lately_seconds}
    present = {(row.job_id, row.key) for row in connection.execute(_NOT_VANISHED, parameters)} if rows else set()
    found = [
        Unfinished(**{**row, "keys": tuple(key for key in row["keys"] if (row["job_id"], key) not in present)})
        for row in rows
        if (row["job_id"], None) not in present
    ]
    return [one for one in found if one.keys]


def messages_of(connection: Connection, job_id: UUID) -> list[ClaimedMessage]:
    """The messages that were written when the job was accepted."""
    bounds = {"job_id": job_id, "before": later_id(job_id, _MESSAGES_WITHIN)}
    return outbox.read(connection, list(connection.execute(_MESSAGES, bounds).scalars()))


def slice_of(connection: Connection, run_id: UUID) -> int | None:
    """The slice that a task in steps has reached, or None if it has no checkpoint."""
    return connection.execute(_SLICE, {"run_id": run_id}).scalar()


def lock(connection: Connection) -> bool:
    """Whether the caller is the only reconciler, until its transaction ends."""
    return bool(connection.execute(_LOCK).scalar())


def record(connection: Connection, messages: Sequence[tuple[UUID, UUID]], *, by: str) -> None:
    """Record messages that were put back, as (message id, job id)."""
    ids, job_ids = [message_id for message_id, _ in messages], [job_id for _, job_id in messages]
    connection.execute(_RECORD, {"ids": ids, "job_ids": job_ids, "by": by})


def put_back_lately(connection: Connection) -> int:
    """The number of messages that were put back within the last day."""
    return int(connection.execute(_PUT_BACK_LATELY).scalar_one())


def in_both(one: Collection[Unfinished], other: Collection[Unfinished]) -> list[Unfinished]:
    """The jobs and batches that both looks found with a common key, as the second look found them."""
    before = {(item.job_id, key) for item in one for key in item.keys}
    return [item for item in other if any((item.job_id, key) in before for key in item.keys)]
