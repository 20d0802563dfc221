"""Rows of a counted batch from an upload: each line is a row (NDJSON), and all of them are added, or none.

One transaction reads the upload, writes its chunks, counts them and sends their messages. A worker that dies in the
middle leaves nothing of it, and the redelivered message begins again. Only one chunk is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import UUID

from sqlalchemy.engine import Connection

from app import contract
from app.brokers.transactional import captured
from app.errors import ItemRefusedError, LineTooLongError
from app.failpoints import Failpoint, failpoint
from app.kinds.items import ItemForm
from app.patterns.uploads import lines
from app.settings import load
from app.storage import batch_uploads as storage, outbox

_CHUNK_BYTES = 1024 * 1024


class LineRefusedError(Exception):
    """A line is no row of the batch; nothing of its upload is added."""

    def __init__(self, line: int, because: str) -> None:
        """Lines are counted from 1."""
        super().__init__(f"line {line}: {because}")
        self.line, self.because = line, because


def add_upload(
    connection: Connection, batch_id: UUID, upload_key: str, form: ItemForm, send_chunk: Callable[[UUID, int], None]
) -> None:
    """Add all rows of an upload to its batch; if a line is wrong, record which one and why, and add nothing.

    Raises:
        PoisonError: the content is not there, or is not what was uploaded.
        ObjectStoreAwayError: S3 is away.
    """
    first = storage.begin(connection, batch_id, upload_key)
    if first is None:
        return
    chunks = rows = 0
    try:
        with connection.begin_nested():
            for count, body in _chunks(upload_key, form):
                storage.add_chunk(connection, batch_id, first + chunks, rows=count, body=body)
                chunks, rows = chunks + 1, rows + count
                failpoint(Failpoint.WORKER_MIDDLE_OF_UPLOAD)
    except LineRefusedError as error:
        storage.end(connection, batch_id, upload_key, line=error.line, because=error.because)
        return
    with captured() as messages:
        for number in range(first, first + chunks):
            send_chunk(batch_id, number)
    # An upload is a backlog at once, so its messages leave after those of senders within their share.
    outbox.enqueue(connection, [replace(message, beyond_share=True) for message in messages])
    storage.end(connection, batch_id, upload_key, chunks=chunks, rows=rows)


def _chunks(upload_key: str, form: ItemForm) -> Iterator[tuple[int, bytes]]:
    """The rows of an upload in lists, as JSON with their number; each row is checked by its model."""
    kept: list[bytes] = []
    size = chunks = 0
    for row in _rows(upload_key, form):
        if kept and (len(kept) == contract.REQUEST_MAX_ITEMS or size + len(row) > _CHUNK_BYTES):
            yield len(kept), b"[%s]" % b",".join(kept)
            kept, size, chunks = [], 0, chunks + 1
        if chunks == storage.CHUNKS_MAX:
            raise LineRefusedError(chunks * contract.REQUEST_MAX_ITEMS + 1, "is one too many for an upload")
        kept.append(row)
        size += len(row)
    if kept:
        yield len(kept), b"[%s]" % b",".join(kept)


def _rows(upload_key: str, form: ItemForm) -> Iterator[bytes]:
    number = 0
    try:
        for line in lines(upload_key, line_max_bytes=load().payload_max_bytes):
            number += 1
            form.from_wire(line.decode())
            yield line
    except UnicodeDecodeError:
        raise LineRefusedError(number, "is not UTF-8") from None
    except ItemRefusedError as error:
        # pydantic's JSON parser sees one line only.
        because = error.detail.strip("()").replace(" at line 1 column ", f" at line {number} column ")
        raise LineRefusedError(number, because) from None
    except LineTooLongError as error:
        raise LineRefusedError(number + 1, error.detail.strip("()")) from None
