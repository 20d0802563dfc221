"""One short digest of an event's type, time and payload: the same for what was sent and for what is stored."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import orjson

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: An event is compared with its own digest alone: 64 bits leave nothing to chance, and 60,000 of them are a megabyte.
_BYTES = 8
#: Whole numbers from here on are doubles to orjson, whichever way they are written.
_INTEGERS_BELOW = 2.0**64


def digest(event_type: str, occurred_at_microseconds: int, payload: dict[str, Any]) -> str:
    """The digest of an event whose payload was read by orjson.

    By meaning, because PostgreSQL's jsonb keeps no text: the order of names, and how a number is written, count for
    nothing. It cannot tell apart: 1 and 1.0; 0.0 and -0.0; numbers that are the same double, if they have a fraction
    or need more than 64 bits; which of two equal names in one object came first (the last one counts); times within
    the same microsecond, and the same moment in two time zones.
    """
    canonical = orjson.dumps([event_type, occurred_at_microseconds, _plain(payload)], option=orjson.OPT_SORT_KEYS)
    return blake2b(canonical, digest_size=_BYTES).hexdigest()


def microseconds(moment: str) -> int:
    """A time in ISO 8601 with its offset, as microseconds since 1970."""
    return (datetime.fromisoformat(moment) - _EPOCH) // _MICROSECOND


def _plain(value: Any) -> Any:
    """The value with each whole number as an integer, as jsonb writes 1e16."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer() and math.fabs(value) < _INTEGERS_BELOW:
        # The shortest decimal is what was written for a double, and from 2**53 on it is not the double's own value.
        whole = int(Decimal(repr(value)))
        return whole if -(2**63) <= whole < 2**64 else value
    return value
