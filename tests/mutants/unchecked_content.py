"""A planted bug: what S3 returns is taken for what was stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from app.__main__ import main
from app.errors import ObjectDamagedError
from app.storage import objects

_honest = objects.chunks


def chunks(key: str) -> Iterator[bytes]:
    """Yield whatever comes."""
    with suppress(ObjectDamagedError):
        yield from _honest(key)


objects.chunks = chunks
main()
