"""The workers' side of an upload of a counted batch: add its rows in chunks, then count all of them at once."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

#: The chunks of uploads have numbers above those that senders may choose; each upload has a range of its own.
FIRST_NUMBER = 10**9
CHUNKS_MAX = 2**16
#: The last range ends below PostgreSQL's largest integer.
UPLOADS_MAX = (2**31 - FIRST_NUMBER) // CHUNKS_MAX

# Locked: a second delivery at the same time waits, then finds the upload ended.
_BEGIN = text("""
    SELECT number FROM batch_uploads
    WHERE batch_id = :batch_id AND upload_key = :upload_key AND ended_at IS NULL FOR UPDATE
""")
_ADD = text("""
    INSERT INTO batch_chunks (batch_id, number, row_count, body_hash, body)
    VALUES (:batch_id, :number, :rows, :hash, :body)
""")
_END = text("""
    WITH ended AS (
        UPDATE batch_uploads SET chunks = :chunks, rows = :rows, ended_at = now(),
            refused_line = :line, refused_because = :because
        WHERE batch_id = :batch_id AND upload_key = :upload_key AND ended_at IS NULL
        RETURNING batch_id
    )
    UPDATE batches b SET chunks_added = b.chunks_added + :chunks, rows_added = b.rows_added + :rows,
        uploads_ended = b.uploads_ended + 1
    FROM ended WHERE b.batch_id = ended.batch_id
""")


def begin(connection: Connection, batch_id: UUID, upload_key: str) -> int | None:
    """The number of the upload's first chunk, with the upload locked; None if the upload has ended."""
    number = connection.execute(_BEGIN, {"batch_id": batch_id, "upload_key": upload_key}).scalar()
    return None if number is None else FIRST_NUMBER + int(number) * CHUNKS_MAX


def add_chunk(connection: Connection, batch_id: UUID, number: int, *, rows: int, body: bytes) -> None:
    """Add a chunk, which is not counted before `end`."""
    parameters = {"batch_id": batch_id, "number": number, "rows": rows, "hash": sha256(body).digest(), "body": body}
    connection.execute(_ADD, parameters)


def end(
    connection: Connection,
    batch_id: UUID,
    upload_key: str,
    *,
    chunks: int = 0,
    rows: int = 0,
    line: int | None = None,
    because: str | None = None,
) -> None:
    """Count the upload's chunks and rows, or say which line was refused and why.

    Call it last: the other chunks of the batch wait until the transaction ends.
    """
    connection.execute(
        _END,
        {
            "batch_id": batch_id, "upload_key": upload_key, "chunks": chunks, "rows": rows, "line": line,
            "because": because,
        },
    )  # fmt: skip
