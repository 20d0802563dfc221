"""Whose an event is, what it is worth, and when it is poison."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import PoisonEventError
from app.tasks.user_events import amount_of, read_event, user_of

EVENT: dict[str, Any] = {
    "event_id": "8a316501-e7df-5a55-bdfa-64d1c8570655",
    "type": "t",
    "occurred_at": "2026-01-01T00:00:00+00:00",
    "payload": '{"user_id": "u1", "amount": 7, "exact": 12345678901234567.890}',
}


@pytest.mark.parametrize(
    ("payload", "user"),
    [
        ({"user_id": "u1"}, "u1"),
        ({"user_id": 42}, "42"),
        ({"user_id": True}, "the-type"),
        ({"user_id": ""}, "the-type"),
        ({"sender": {"login": "octocat"}}, "octocat"),
        ({"sender": {"login": 1}}, "the-type"),
        ({"sender": "octocat"}, "the-type"),
        ({"user_id": "u" * 300}, "u" * 200),
        ({}, "the-type"),
    ],
)
def test_the_user_is_named_by_the_payload_or_else_by_the_type(payload: dict[str, Any], user: str) -> None:
    """`user_id` first, then a webhook's sender, then one account for the whole type."""
    assert user == user_of("the-type", payload)


@pytest.mark.parametrize(
    ("amount", "worth"),
    [(1, 1), (10**9, 10**9), (10**9 + 1, 1), (0, 1), (-5, 1), (True, 1), ("9", 1), (None, 1), (2.5, 1)],
)
def test_only_a_sensible_integer_is_an_amount(amount: object, worth: int) -> None:
    """Anything else counts one, so that a strange payload cannot move a balance far."""
    assert worth == amount_of({"amount": amount})


@pytest.mark.parametrize(
    "broken",
    [
        EVENT | {"event_id": "no-uuid"},
        EVENT | {"occurred_at": "yesterday"},
        EVENT | {"payload": {"user_id": "u1"}},
        EVENT | {"payload": "[1]"},
        EVENT | {"payload": "no JSON"},
        EVENT | {"payload": "[" * 100_000},
        {key: value for key, value in EVENT.items() if key != "type"},
        "not an object",
        None,
    ],
)
def test_an_event_that_cannot_be_read_is_poison(broken: Any) -> None:
    """It is refused for good, by a message that says why, and not tried again."""
    with pytest.raises(PoisonEventError):
        read_event(broken)


def test_a_good_event_is_read_whole() -> None:
    """BR-35: nothing of it is lost on the way, digits included."""
    event = read_event(EVENT)

    assert (event.user_id, event.amount, event.type, event.payload) == ("u1", 7, "t", EVENT["payload"])


def test_a_long_whole_number_names_its_user() -> None:
    """BR-35: as a float it would be another user, or none."""
    event = read_event(EVENT | {"payload": '{"user_id": 123456789012345678901}'})

    assert event.user_id == "123456789012345678901"
