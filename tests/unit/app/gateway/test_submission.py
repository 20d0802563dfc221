"""What a request's headers may say."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from app import contract
from app.gateway.problems import ProblemError
from app.gateway.submission import idempotency_key_of


def request(*keys: str) -> Request:
    """A request with these Idempotency-Keys."""
    name = contract.HEADER_IDEMPOTENCY_KEY.lower().encode()
    return Request({"type": "http", "headers": [(name, key.encode("latin-1")) for key in keys]})


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
