"""Which payloads PostgreSQL's jsonb and every JSON reader can hold, checked at the price of one serialisation.

A value that could not be stored would be accepted first and dead-letter later, so it is refused at the door. The quick
path is one `orjson.dumps`, which is needed for the size anyway; only what looks suspicious in it is walked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import orjson

from app.gateway.problems import FieldError, pointer

#: Whole numbers that each reader on the way keeps exactly.
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**64 - 1
#: Levels of objects and lists; deeper ones are refused by one or another parser on the way.
DEPTH_MAX = 100
_NUL = b"\\u0000"


def check(payload: dict[str, Any], *, max_bytes: int, path: tuple[str | int, ...]) -> tuple[int, list[FieldError]]:
    """Return at most how many bytes the payload takes in a message, and what is wrong with it.

    `max_bytes` bounds its compact UTF-8 form. A message is longer: Celery's JSON escapes what is not ASCII (two bytes
    become six) and puts a space behind each separator.
    """
    try:
        encoded = orjson.dumps(payload)
    except (TypeError, RecursionError):  # an integer over 64 bits, a lone surrogate, or too deep
        found = list(_walk(payload, path, depth=1))
        return 0, found or [FieldError(pointer=pointer(path), detail="cannot be written as JSON")]
    if (size := len(encoded)) > max_bytes:
        return size, [
            FieldError(pointer=pointer(path), detail=f"is {size} bytes long; at most {max_bytes} are allowed")
        ]
    # NaN and the infinities are written as null.
    suspicious = b"null" in encoded or _NUL in encoded or encoded.count(b"[") + encoded.count(b"{") > DEPTH_MAX
    return _message_bytes(encoded), list(_walk(payload, path, depth=1)) if suspicious else []


def _message_bytes(encoded: bytes) -> int:
    spaced = len(encoded) + encoded.count(b",") + encoded.count(b":") + 5 * encoded.count(b"\x7f")
    if encoded.isascii():
        return spaced
    return spaced + 2 * (len(encoded) - len(encoded.decode().encode("ascii", "ignore")))


def _walk(value: Any, path: tuple[str | int, ...], *, depth: int) -> Iterator[FieldError]:
    if isinstance(value, dict | list):
        if depth > DEPTH_MAX:  # the whole path would be longer than anyone wants to read
            yield FieldError(pointer=pointer(path[:4]), detail=f"is nested deeper than {DEPTH_MAX} levels")
            return
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            if isinstance(key, str) and (detail := text_problem(key)) is not None:
                yield FieldError(pointer=pointer(path), detail=f"has a name that {detail}")
            else:
                yield from _walk(item, (*path, key), depth=depth + 1)
    elif (detail := _scalar_problem(value)) is not None:
        yield FieldError(pointer=pointer(path), detail=detail)


def _scalar_problem(value: Any) -> str | None:
    if isinstance(value, str):
        return text_problem(value)
    if isinstance(value, int) and not INTEGER_MIN <= value <= INTEGER_MAX:
        return "is a whole number of more than 64 bits: send it as a string"
    if isinstance(value, float) and not math.isfinite(value):
        return "is not a finite number"
    return None


def text_problem(value: str) -> str | None:
    """Return why a text cannot be stored, or None."""
    if "\x00" in value:
        return "contains U+0000, which PostgreSQL cannot store"
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return "contains half of a surrogate pair"
    return None
