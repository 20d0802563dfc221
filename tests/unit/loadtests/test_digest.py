"""What was sent and what PostgreSQL made of it have one digest; anything else has another."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given, strategies as st

from loadtests.digest import digest, microseconds
from loadtests.source import digest_of

SENT: dict[str, Any] = {
    "event_id": "8a316501-e7df-5a55-bdfa-64d1c8570655",
    "type": "github.push",
    "occurred_at": "2026-01-01T12:00:00.123456+02:00",
    "payload": {"user": {"name": "Zo\u00eb \U0001f600", "tags": ["a", None, True, []]}, "size": 3, "ratio": 0.25},
}


def jsonb(value: Any) -> str:
    """How PostgreSQL writes a jsonb of what the worker gives it: names by length, numbers without exponents."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
        return "{" + ", ".join(f"{orjson.dumps(name).decode()}: {jsonb(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(jsonb, value)) + "]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = Decimal(orjson.dumps(value).decode())
        return format(number or abs(number), "f")
    return orjson.dumps(value).decode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    # Whole numbers near the edges at which orjson and PostgreSQL change how they write one.
    | st.builds(
        lambda base, by: float(base + by), st.sampled_from([2**53, 2**63, 2**64, 10**16]), st.integers(-4096, 4096)
    )
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner, max_size=4
    ),
)  # fmt: skip


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), json_values))
def test_a_payload_survives_postgresql(payload: dict[str, Any]) -> None:
    """Names in another order, 1e16 as 10000000000000000: the meaning is the same."""
    sent = orjson.loads(orjson.dumps(payload))

    assert digest("a", 1, orjson.loads(jsonb(sent))) == digest("a", 1, sent)


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "github.fork"},
        {"occurred_at": "2026-01-01T12:00:00.123457+02:00"},
        {"occurred_at": "2026-01-01T12:00:00.123456Z"},
        {"payload": {}},
        {"payload": {**SENT["payload"], "size": 4}},
        {"payload": {**SENT["payload"], "size": "3"}},
        {"payload": {**SENT["payload"], "ratio": 0.2500000001}},
        {"payload": {**SENT["payload"], "more": None}},
        {"payload": {**SENT["payload"], "user": {**SENT["payload"]["user"], "name": "Zoe"}}},
        {"payload": {**SENT["payload"], "user": {**SENT["payload"]["user"], "tags": [None, "a", True, []]}}},
        {"payload": {**SENT["payload"], "user": {**SENT["payload"]["user"], "tags": ["a", None, 1, []]}}},
    ],
)
def test_another_meaning_has_another_digest(changed: dict[str, Any]) -> None:
    """Type, moment, and each corner of the payload."""
    assert digest_of({**SENT, **changed}) != digest_of(SENT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":1,"b":2}', b'{"b": 2, "a": 1}'),
        (b'{"a":1}', b'{"a":1.0}'),
        (b'{"a":0.0}', b'{"a":-0.0}'),
        (b'{"a":1e3}', b'{"a":1000}'),
        (b'{"a":0.1}', b'{"a":0.1000000000000000055}'),
        (b'{"a":1.2345678901234567e18}', b'{"a":1234567890123456800}'),
        (b'{"a":1e300}', b'{"a":1' + b"0" * 300 + b"}"),
        (b'{"a":"\\u00eb"}', '{"a":"\u00eb"}'.encode()),
        (b'{"a":1,"a":2}', b'{"a":2}'),
    ],
)
def test_what_it_cannot_tell_apart(one: bytes, other: bytes) -> None:
    """Its docstring says so."""
    assert digest("a", 1, orjson.loads(one)) == digest("a", 1, orjson.loads(other))


@pytest.mark.parametrize(
    ("moment", "exact"),
    [
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("1970-01-01T02:00:00+02:00", 0),
        ("9998-12-31T23:59:59.999999Z", 253_370_764_799_999_999),
        ("0002-01-01T00:00:00.000001Z", -62_104_060_799_999_999),
    ],
)
def test_a_moment_is_exact_to_the_microsecond(moment: str, exact: int) -> None:
    """In every year that the gateway takes, and in any time zone."""
    assert microseconds(moment) == exact
