"""Opens a batch, adds chunks to it, seals it and revokes it: each in one transaction, which may be repeated.

A seal locks the batch's counts as workers do. So either the seal or the last chunk sees the batch complete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy.dialects import postgresql

from app.brokers.transactional import captured
from app.failpoints import Failpoint, failpoint
from app.gateway.connections import Connection
from app.gateway.problems import BATCH_CONFLICT, KEY_REUSED, NOT_FOUND, ProblemError
from app.patterns import counted_batches
from app.patterns.counted_batches import CountedBatch
from app.storage import outbox

Row = dict[str, Any]

_KEY = """
    INSERT INTO idempotency_keys (api_key_id, idempotency_key, request_hash, job_id, expires_at)
    VALUES (%(api_key_id)s, %(key)s, %(hash)s, %(batch_id)s, %(expires_at)s)
    ON CONFLICT (api_key_id, idempotency_key) DO UPDATE
    SET request_hash = excluded.request_hash, job_id = excluded.job_id, expires_at = excluded.expires_at
    WHERE idempotency_keys.expires_at <= now()
"""
_EARLIER = """
    SELECT request_hash, job_id FROM idempotency_keys
    WHERE api_key_id = %(api_key_id)s AND idempotency_key = %(key)s
"""
_OPEN = "INSERT INTO batches (batch_id, task_name, api_key_id) VALUES (%(batch_id)s, %(task)s, %(api_key_id)s)"
# A dead letter of a revoked batch has ended, even if it is replayed or discarded: its message is dropped. So is the
# message of an upload, and so an upload that waits, or whose message was lost, keeps no batch from being revoked.
_READ = """
    SELECT b.*, r.revoked_at,
        (SELECT count(*) FROM dead_letters d WHERE d.job_id = b.batch_id AND d.state = 'dead') AS chunks_dead,
        (SELECT count(*) FROM dropped_items d WHERE d.job_id = b.batch_id
         AND d.dedupe_key <> dedupe_key(b.task_name || '_aggregate', '', b.batch_id::text)
         AND NOT EXISTS (SELECT FROM batch_uploads u WHERE u.batch_id = b.batch_id AND d.dedupe_key
             = dedupe_key(b.task_name || '_upload', '', b.batch_id::text || '/' || u.upload_key))) AS chunks_revoked,
        (SELECT count(*) FROM batch_uploads u WHERE u.batch_id = b.batch_id AND u.refused_line IS NOT NULL)
         AS uploads_refused,
        r.revoked_at IS NOT NULL AND EXISTS (
            SELECT FROM batch_chunks c CROSS JOIN LATERAL (SELECT b.batch_id::text || '/' || c.number::text AS key) k
            WHERE c.batch_id = b.batch_id AND c.done_at IS NULL AND NOT EXISTS (SELECT FROM dropped_items d
                WHERE d.job_id = b.batch_id AND d.dedupe_key = dedupe_key(b.task_name || '_chunk', '', k.key))
              AND NOT EXISTS (SELECT FROM dead_letters d WHERE d.job_id = b.batch_id AND k.key = ANY (d.keys))
        ) AS revoking
    FROM batches b LEFT JOIN job_revocations r ON r.job_id = b.batch_id
    WHERE b.batch_id = %(batch_id)s AND b.api_key_id = %(api_key_id)s
"""
_ADD_CHUNK = """
    INSERT INTO batch_chunks (batch_id, number, row_count, body_hash, body)
    VALUES (%(batch_id)s, %(number)s, %(rows)s, %(hash)s, %(body)b) ON CONFLICT DO NOTHING
"""
_CHUNK = "SELECT body_hash FROM batch_chunks WHERE batch_id = %(batch_id)s AND number = %(number)s"
_COUNT_CHUNK = """
    UPDATE batches SET chunks_added = chunks_added + 1, rows_added = rows_added + %(rows)s
    WHERE batch_id = %(batch_id)s AND api_key_id = %(api_key_id)s AND sealed_at IS NULL
      AND NOT EXISTS (SELECT FROM job_revocations WHERE job_id = batch_id)
"""
_REVOKE = """
    INSERT INTO job_revocations (job_id)
    SELECT batch_id FROM batches
    WHERE batch_id = %(batch_id)s AND api_key_id = %(api_key_id)s AND finished_at IS NULL
    ON CONFLICT DO NOTHING
"""
_SEAL = """
    UPDATE batches SET sealed_at = now()
    WHERE batch_id = %(batch_id)s AND api_key_id = %(api_key_id)s AND sealed_at IS NULL
      AND chunks_added = %(chunks)s AND rows_added = %(rows)s AND uploads_taken = uploads_ended
      AND NOT EXISTS (SELECT FROM job_revocations WHERE job_id = batch_id)
    RETURNING chunks_done = chunks_added AS complete
"""
#: The outbox's own statement, as psycopg takes it.
_ENQUEUE = str(outbox.ENQUEUE.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]  # SQLAlchemy's


async def find(connection: Connection, parameters: Mapping[str, Any]) -> Row:
    """The batch `batch_id` of `api_key_id`.

    Raises:
        ProblemError: 404.
    """
    found = await (await connection.execute(_READ, parameters)).fetchone()
    if found is None:
        raise ProblemError(NOT_FOUND, "No batch of this API key has this id.")
    return found


async def open_(connection: Connection, parameters: Mapping[str, Any]) -> Row:
    """Open the batch, or find the one that was opened with the same key.

    Raises:
        ProblemError: 422 if the key was used for something else.
    """
    async with connection.transaction():
        if parameters["key"] is not None and not (await connection.execute(_KEY, parameters)).rowcount:
            earlier = await (await connection.execute(_EARLIER, parameters)).fetchone()
            if earlier is None or bytes(earlier["request_hash"]) != parameters["hash"]:
                raise ProblemError(KEY_REUSED, "Take a new key for a new batch.")
            return await find(connection, {**parameters, "batch_id": earlier["job_id"]})
        await connection.execute(_OPEN, parameters)
        return await find(connection, parameters)


async def add(
    connection: Connection, parameters: Mapping[str, Any], batch: CountedBatch, *, beyond_share: bool = False
) -> bool:
    """Write the chunk, its count and its message. Returns False if an earlier request has written them.

    Raises:
        ProblemError: 409 if the batch is sealed or revoked, or the chunk was added with other rows.
    """
    batch_id, number = parameters["batch_id"], parameters["number"]
    failpoint(Failpoint.GATEWAY_BEFORE_COMMIT)
    async with connection.transaction():
        if not (await connection.execute(_ADD_CHUNK, parameters)).rowcount:
            earlier = await (await connection.execute(_CHUNK, parameters)).fetchone()
            if earlier is None or bytes(earlier["body_hash"]) != parameters["hash"]:
                raise ProblemError(BATCH_CONFLICT, f"Chunk {number} was added with other rows before.")
            return False
        if not (await connection.execute(_COUNT_CHUNK, parameters)).rowcount:
            raise ProblemError(BATCH_CONFLICT, "The batch is sealed or revoked: it takes no more chunks.")
        await send(connection, lambda: batch.send_chunk(batch_id, number), beyond_share=beyond_share)
        return True


async def seal(connection: Connection, parameters: Mapping[str, Any]) -> Row:
    """Seal the batch if it has exactly these `chunks` and `rows`. If all chunks are done, send the aggregate's message.

    Raises:
        ProblemError: 404, or 409 if the batch has other numbers, is revoked, or an upload is not added yet.
    """
    async with connection.transaction():
        sealed = await (await connection.execute(_SEAL, parameters)).fetchone()
        found = await find(connection, parameters)
        if found["revoked_at"] is not None and found["sealed_at"] is None:
            raise ProblemError(BATCH_CONFLICT, "The batch is revoked: it cannot be sealed.")
        if waiting := found["uploads_taken"] - found["uploads_ended"]:
            raise ProblemError(BATCH_CONFLICT, f"{waiting} uploads are not added yet: wait for them, then seal.")
        chunks, rows = found["chunks_added"], found["rows_added"]
        if (chunks, rows) != (parameters["chunks"], parameters["rows"]):
            detail = f"The batch has {chunks} chunks with {rows} rows: add what is missing, or seal what is there."
            raise ProblemError(BATCH_CONFLICT, detail)
        if sealed is not None and sealed["complete"]:
            await send(connection, lambda: declared(found).send_aggregate(found["batch_id"]))
        return found


async def revoke(connection: Connection, parameters: Mapping[str, Any]) -> Row:
    """Revoke the batch, unless it is finished. Its messages are dropped, because their job is the batch's id.

    Raises:
        ProblemError: 404.
    """
    await connection.execute(_REVOKE, parameters)
    return await find(connection, parameters)


def declared(found: Row) -> CountedBatch:
    """The declaration that a batch was opened for.

    Raises:
        ProblemError: 409 if this release does not have it.
    """
    batch = counted_batches.declared().get(found["task_name"])
    if batch is None:
        raise ProblemError(BATCH_CONFLICT, "This release of the gateway does not know the batch's task.")
    return batch


async def send(connection: Connection, sending: Callable[[], None], *, beyond_share: bool = False) -> None:
    """Write what `sending` sends into the outbox."""
    with captured() as messages:
        sending()
    messages = [replace(message, beyond_share=beyond_share) for message in messages]
    await connection.execute(_ENQUEUE, outbox.enqueue_parameters(messages))
