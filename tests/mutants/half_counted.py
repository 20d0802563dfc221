"""A planted bug: the rows of an upload are counted while they are read, and not with the transaction that adds them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from app.__main__ import main
from app.storage import batch_uploads
from app.storage.engine import autocommit

_COUNT = text("UPDATE batches SET rows_added = rows_added + :rows WHERE batch_id = :batch_id")
_add_chunk = batch_uploads.add_chunk


def add_chunk(connection: Connection, batch_id: UUID, number: int, **given: Any) -> None:
    """Count in a transaction of its own."""
    _add_chunk(connection, batch_id, number, **given)
    with autocommit().connect() as other:
        other.execute(_COUNT, {"rows": given["rows"], "batch_id": batch_id})


batch_uploads.add_chunk = add_chunk
main()
