"""The workers' side of counted batches: take their chunks, count them, read their parts for the aggregate.

The counts of a batch are one row, which each chunk updates last. So exactly one chunk sees the count complete, and the
chunks of one batch commit one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

#: Parts in memory at a time while the aggregate reads them.
_PARTS_AT_A_TIME = 500

# Locked: a second delivery at the same time waits, then finds the chunk done.
_TAKE = text("""
    SELECT body FROM batch_chunks WHERE batch_id = :batch_id AND number = :number AND done_at IS NULL FOR UPDATE
""")
_FINISH = text("""
    WITH done AS (
        UPDATE batch_chunks SET part = :part, body = NULL, done_at = now()
        WHERE batch_id = :batch_id AND number = :number AND done_at IS NULL
        RETURNING batch_id, row_count
    )
    UPDATE batches b SET chunks_done = b.chunks_done + 1, rows_done = b.rows_done + done.row_count
    FROM done WHERE b.batch_id = done.batch_id
    RETURNING b.sealed_at IS NOT NULL AND b.chunks_done = b.chunks_added
""")
_PARTS = text("SELECT part FROM batch_chunks WHERE batch_id = :batch_id ORDER BY number")
_KEEP = text("""
    UPDATE batches SET aggregate = :aggregate, finished_at = now() WHERE batch_id = :batch_id AND finished_at IS NULL
""")


def take(connection: Connection, batch_id: UUID, number: int) -> bytes | None:
    """The rows of a chunk as they were sent, locked until the transaction ends; None if the chunk is done."""
    body = connection.execute(_TAKE, {"batch_id": batch_id, "number": number}).scalar()
    return None if body is None else bytes(body)


def finish(connection: Connection, batch_id: UUID, number: int, part: str) -> bool:
    """Keep a chunk's part and count the chunk. Returns whether this chunk completes a sealed batch; at most one does.

    Call it last: the other chunks of the batch wait until the transaction ends.
    """
    parameters = {"batch_id": batch_id, "number": number, "part": part}
    return bool(connection.execute(_FINISH, parameters).scalar())


def parts(connection: Connection, batch_id: UUID) -> Iterator[str]:
    """The parts of all chunks, in the order of their numbers; 500 at a time are in memory."""
    options = {"yield_per": _PARTS_AT_A_TIME}
    yield from connection.execute(_PARTS, {"batch_id": batch_id}, execution_options=options).scalars()


def keep_aggregate(connection: Connection, batch_id: UUID, aggregate: str) -> None:
    """Keep the aggregate, as JSON, and mark the batch as finished."""
    connection.execute(_KEEP, {"batch_id": batch_id, "aggregate": aggregate})
