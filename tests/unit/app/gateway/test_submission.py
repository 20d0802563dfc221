"""What a request's headers may say."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from app import contract
from app.gateway.problems import ProblemError
from app.gateway.submission import expires_seconds_of, idempotency_key_of


def request(*values: str, header: str = contract.HEADER_IDEMPOTENCY_KEY) -> Request:
    """A request that has this header with these values."""
    name = header.lower().encode()
    return Request({"type": "http", "headers": [(name, value.encode("latin-1")) for value in values]})


@pytest.mark.parametrize(("keys", "found"), [((), None), (("a",), "a"), (("a", "a"), "a")])
def test_a_request_has_one_key_or_none(keys: tuple[str, ...], found: str | None) -> None:
    """The same one twice is one."""
    assert idempotency_key_of(request(*keys)) == found


@pytest.mark.parametrize("keys", [("a", "b"), ("",), ("a b",), ("é",), ("x" * 201,), ("a", "")])
def test_any_other_is_refused(keys: tuple[str, ...]) -> None:
    """Of two different keys the first won in silence, and a repetition that had only the second was executed again."""
    with pytest.raises(ProblemError) as raised:
        idempotency_key_of(request(*keys))

    assert raised.value.kind.status == 422
    assert raised.value.errors[0].pointer == contract.HEADER_IDEMPOTENCY_KEY


@pytest.mark.parametrize(("values", "found"), [((), None), (("1",), 1), (("604800",), 604_800), (("5", "5"), 5)])
def test_items_may_wait_so_many_seconds(values: tuple[str, ...], found: int | None) -> None:
    """As long as they like, unless the caller says otherwise."""
    assert expires_seconds_of(request(*values, header=contract.HEADER_EXPIRES_SECONDS)) == found


@pytest.mark.parametrize("values", [("0",), ("-1",), ("1.5",), ("604801",), ("",), ("soon",), ("01",), ("1", "2")])
def test_any_other_wait_is_refused(values: tuple[str, ...]) -> None:
    """With the header's name."""
    with pytest.raises(ProblemError) as raised:
        expires_seconds_of(request(*values, header=contract.HEADER_EXPIRES_SECONDS))

    assert (raised.value.kind.status, raised.value.errors[0].pointer) == (422, contract.HEADER_EXPIRES_SECONDS)
