"""AMQP's values as JSON that PostgreSQL takes: a header may hold bytes, dates, NUL and surrogates, JSONB may not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from app.storage.failures import storable

#: Deeper nesting is text from there on: nobody's header, but it must not stop the archiver.
_MAX_DEPTH = 32


def plain(value: Any, depth: int = 0) -> Any:  # noqa: PLR0911 - a table of types
    """The same value in JSON's types. One way: only the body of a dead letter must survive byte for byte."""
    if depth >= _MAX_DEPTH:
        return storable(repr(value))
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return storable(value)
        case bytes() | bytearray() | memoryview():
            return storable(bytes(value).decode("utf-8", "backslashreplace"))
        case datetime():
            # py-amqp gives UTC without saying so.
            return (value.replace(tzinfo=UTC) if value.tzinfo is None else value).isoformat()
        case Decimal():
            return str(value)
        case Mapping():
            return {str(plain(key, depth + 1)): plain(inner, depth + 1) for key, inner in value.items()}
        case list() | tuple():
            return [plain(inner, depth + 1) for inner in value]
        case _:
            return storable(str(value))
