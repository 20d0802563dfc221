"""Whose an event is, what it is worth, and when it is poison."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from app.errors import PoisonError
from app.kinds.transaction import Transaction
from app.tasks.user_events import amount_of, ingest_user_event, store, user_of

FORM = ingest_user_event.declaration.form

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
        ({"user_id": "clearing:07"}, "user:clearing:07"),
        ({"user_id": "user:clearing:07"}, "user:user:clearing:07"),
    ],
)
def test_the_user_is_named_by_the_payload_or_else_by_the_type(payload: dict[str, Any], user: str) -> None:
    """`user_id` first, then a webhook's sender, then one for the whole type; never a clearing account (BR-38)."""
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
    with pytest.raises(PoisonError):
        stored(broken)


def stored(event: Any) -> dict[str, Any]:
    """The parameters that an event, as a message carries it, is stored with."""
    given: list[dict[str, Any]] = []

    class Connection:
        def execute(self, _: Any, parameters: dict[str, Any]) -> None:
            given.append(parameters)

    store([FORM.from_wire(event)], Transaction(Connection(), task_id=UUID(int=7)))  # type: ignore[arg-type, list-item]
    return given[0]


def test_a_good_event_is_stored_whole() -> None:
    """BR-35: nothing of it is lost on the way, digits included."""
    said = stored(EVENT)

    assert (said["user_ids"], said["amounts"], said["types"], said["payloads"]) == (
        ["u1"],
        [7],
        ["t"],
        [EVENT["payload"]],
    )
    assert said["clearing_account"] == "clearing:07"


def test_a_long_whole_number_names_its_user() -> None:
    """BR-35: as a float it would be another user, or none."""
    assert stored(EVENT | {"payload": '{"user_id": 123456789012345678901}'})["user_ids"] == ["123456789012345678901"]
