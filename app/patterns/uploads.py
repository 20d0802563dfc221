"""Uploads in tasks: an item names the key of an upload, and the task reads its content, checked, in constant memory.

    class Document(BaseModel):
        upload: UploadKey

    @once(http=True)
    def count_words(document: Document, tx: Transaction) -> None:
        for line in lines(document.upload): ...

While S3 is away the task waits, and spends no attempt. Content that is missing or damaged is poison: the item goes to
the dead letters, to be replayed after the content was uploaded again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from app.errors import LineTooLongError
from app.storage import objects

#: What `POST /v1/uploads` answers: a SHA-256.
UploadKey = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_LINE_MAX_BYTES = 1024 * 1024


def chunks(key: str) -> Iterator[bytes]:
    """Yield the content in parts. Keep their effect only if no error comes until the end; a transaction does that.

    Raises:
        PoisonError: the content is not there, or is not what was uploaded.
        ObjectStoreAwayError: S3 is away.
    """
    return objects.chunks(key)


def lines(key: str, *, line_max_bytes: int = _LINE_MAX_BYTES) -> Iterator[bytes]:
    r"""Yield the content in lines, without their ends (`\n`).

    Raises:
        PoisonError: as `chunks`; or a line is longer than the bound (`LineTooLongError`).
    """
    rest = b""
    for chunk in objects.chunks(key):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield _bounded(line, line_max_bytes)
        _bounded(rest, line_max_bytes)
    if rest:
        yield rest


def _bounded(line: bytes, max_bytes: int) -> bytes:
    if len(line) > max_bytes:
        raise LineTooLongError(f"is longer than {max_bytes} bytes")
    return line
