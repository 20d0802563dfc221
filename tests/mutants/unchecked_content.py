"""A planted bug: what S3 returns is used without a check of its hash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from app.__main__ import main
from app.errors import ObjectDamagedError
from app.storage import objects

_honest = objects.chunks


def chunks(key: str) -> Iterator[bytes]:
    """Yield the content unchecked."""
    with suppress(ObjectDamagedError):
        yield from _honest(key)


objects.chunks = chunks
main()
