"""Which bodies are read at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from starlette.requests import Request
from starlette.types import Message

from app.gateway import bodies
from app.gateway.problems import ProblemError


def request(parts: Iterable[bytes], headers: dict[str, str] | None = None) -> Request:
    """A request whose body comes in these parts."""
    left = list(parts)

    async def receive() -> Message:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return Request({"type": "http", "headers": raw}, receive)


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("application/json", None),
        ("Application/JSON; charset=UTF-8", None),
        ('application/json;charset="utf-8"', "identity"),
    ],
)
def test_plain_json_is_read(content_type: str, encoding: str | None) -> None:
    """In any usual spelling."""
    bodies.check_headers(content_type, encoding)


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        (None, None),
        ("text/plain", None),
        ("application/jsonx", None),
        ("application/json; charset=latin-1", None),
        ("application/json", "gzip"),
    ],
)
def test_anything_else_is_415(content_type: str | None, encoding: str | None) -> None:
    """Nothing is guessed, nothing is unpacked."""
    with pytest.raises(ProblemError) as raised:
        bodies.check_headers(content_type, encoding)

    assert raised.value.kind.status == 415


def test_parts_are_joined() -> None:
    """A chunked body is read whole."""
    assert asyncio.run(bodies.read(request([b"ab", b"", b"c"]), max_bytes=3)) == b"abc"


def test_a_declared_length_is_enough_to_refuse() -> None:
    """Not a byte is read of a body that says that it is too long."""
    with pytest.raises(ProblemError) as raised:
        asyncio.run(bodies.read(request([], {"content-length": "4"}), max_bytes=3))

    assert raised.value.kind.status == 413
    assert raised.value.headers["Connection"] == "close"


def test_an_endless_body_is_cut_off() -> None:
    """Without a declared length the bytes are counted as they come."""
    with pytest.raises(ProblemError) as raised:
        asyncio.run(bodies.read(request([b"ab", b"cd", b"never read"]), max_bytes=3))

    assert raised.value.kind.status == 413
