"""Which bodies are read at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from starlette.requests import Request
from starlette.types import Message

from app.gateway import bodies
from app.gateway.bodies import BodyMemory
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


def read(given: Request, *, max_bytes: int, memory: BodyMemory | None = None) -> bytes:
    """Read a body; its share of the memory is given back."""
    with (memory or BodyMemory(1000)).share() as share:
        return asyncio.run(bodies.read(given, share, max_bytes=max_bytes))


def test_parts_are_joined() -> None:
    """A chunked body is read whole."""
    assert read(request([b"ab", b"", b"c"]), max_bytes=3) == b"abc"


def test_a_declared_length_is_enough_to_refuse() -> None:
    """Not a byte is read of a body that says that it is too long."""
    with pytest.raises(ProblemError) as raised:
        read(request([], {"content-length": "4"}), max_bytes=3)

    assert raised.value.kind.status == 413


def test_an_endless_body_is_cut_off() -> None:
    """Without a declared length the bytes are counted as they come."""
    with pytest.raises(ProblemError) as raised:
        read(request([b"ab", b"cd", b"never read"]), max_bytes=3)

    assert raised.value.kind.status == 413


MIB = 1024 * 1024


def test_all_bodies_together_are_bounded() -> None:
    """A13: many clients with large bodies cannot fill the memory; whoever comes too late is told to come again."""
    memory = BodyMemory(100 * MIB)
    with memory.share() as first, memory.share() as second:
        first.read(30 * MIB)
        with pytest.raises(ProblemError) as raised:
            second.read(10 * MIB)
    assert raised.value.kind.status == 503
    assert raised.value.kind.name == "overloaded"
    assert int(raised.value.headers["Retry-After"]) >= 1
    assert memory.used_bytes == 0
    assert read(request([b"x" * MIB] * 10), max_bytes=10 * MIB, memory=memory) == b"x" * 10 * MIB


def test_long_lists_leave_room_for_single_events() -> None:
    """A13: a small body passes where no large one does."""
    memory = BodyMemory(100 * MIB)
    with memory.share() as lists:
        lists.read(37 * MIB)

        assert read(request([b"x" * 1000]), max_bytes=MIB, memory=memory)
        with pytest.raises(ProblemError):
            read(request([b"x" * MIB]), max_bytes=MIB, memory=memory)


def test_a_slow_body_uses_no_more_than_has_come() -> None:
    """A13: who declares a large body and sends none of it keeps nobody out."""
    memory = BodyMemory(100 * MIB)

    async def scenario() -> int:
        async def receive() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        slow = Request({"type": "http", "headers": [(b"content-length", b"33554432")]}, receive)
        with memory.share() as share:
            reading = asyncio.create_task(bodies.read(slow, share, max_bytes=32 * MIB))
            await asyncio.sleep(0)
            used = memory.used_bytes
            reading.cancel()
        return used

    assert asyncio.run(scenario()) == 0
