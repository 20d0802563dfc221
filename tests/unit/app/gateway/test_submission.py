"""What a request's headers may say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from app import contract
from app.gateway import submission
from tests.unit.app.gateway.conftest import Ask, pointers

KEY, EXPIRES = contract.HEADER_IDEMPOTENCY_KEY, contract.HEADER_EXPIRES_SECONDS
Given = tuple[str, ...]

#: Sends a header with these values; returns the answer, and what the route read of it.
Read = Callable[[str, Given], tuple[httpx.Response, Any]]


@pytest.fixture
def read(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Returns what sends a header and tells what the route read."""
    found: dict[str, Any] = {}

    async def note(_: object, __: object, idempotency_key: str | None, expires_seconds: int | None) -> Response:
        found.update({KEY: idempotency_key, EXPIRES: expires_seconds})
        return Response()

    monkeypatch.setattr(submission, "_submit", note)

    def send(header: str, values: Given) -> tuple[httpx.Response, Any]:
        found.clear()
        headers = [(header.encode(), value.encode("latin-1")) for value in values]
        return ask("POST", "/v1/events", headers=headers), found.get(header)

    return send


@pytest.mark.parametrize(("keys", "found"), [((), None), (("a",), "a"), (("a", "a"), "a"), (("x" * 200,), "x" * 200)])
def test_a_request_has_one_key_or_none(read: Read, keys: Given, found: str | None) -> None:
    """The same one twice is one."""
    answer, key = read(KEY, keys)
    assert (answer.status_code, key) == (200, found)


@pytest.mark.parametrize("keys", [("a", "b"), ("",), ("a b",), ("é",), ("x" * 201,), ("a", "")])
def test_any_other_is_refused(read: Read, keys: Given) -> None:
    """Of two different keys the first won in silence, and a repetition that had only the second was executed again."""
    answer, _ = read(KEY, keys)
    assert (answer.status_code, pointers(answer)) == (422, [KEY])


@pytest.mark.parametrize(("values", "found"), [((), None), (("1",), 1), (("604800",), 604_800), (("5", "5"), 5)])
def test_items_may_wait_so_many_seconds(read: Read, values: Given, found: int | None) -> None:
    """As long as they like, unless the caller says otherwise."""
    answer, seconds = read(EXPIRES, values)
    assert (answer.status_code, seconds) == (200, found)


@pytest.mark.parametrize("values", [("0",), ("-1",), ("1.5",), ("604801",), ("",), ("soon",), ("01",), ("1", "2")])
def test_any_other_wait_is_refused(read: Read, values: Given) -> None:
    """With the header's name."""
    answer, _ = read(EXPIRES, values)
    assert (answer.status_code, pointers(answer)) == (422, [EXPIRES])
