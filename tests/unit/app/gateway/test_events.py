"""What a request may say, as a table of bodies and what is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.gateway import events
from app.gateway.problems import ProblemError

ID = "0b8f1e0e-5f39-4a43-9b1c-3f1f9f3d5b11"
OTHER_ID = "0b8f1e0e-5f39-4a43-9b1c-3f1f9f3d5b12"


def event(**changes: Any) -> dict[str, Any]:
    """A valid event, changed."""
    return {"event_id": ID, "type": "click", "occurred_at": "2026-01-01T00:00:00Z", "payload": {"a": 1}} | changes


def with_payload(text: str) -> bytes:
    """An event whose payload is this text, which need not be JSON that Python would write."""
    return json.dumps(event(payload="PAYLOAD")).replace('"PAYLOAD"', text).encode()


def refused(body: bytes, *, payload_max_bytes: int = 1000) -> list[tuple[str, str]]:
    """The errors of a body that must not be accepted."""
    with pytest.raises(ProblemError) as raised:
        events.parse(body, payload_max_bytes=payload_max_bytes)
    assert raised.value.kind.status == 422
    return [(error.pointer, error.detail) for error in raised.value.errors]


WRONG_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"event_id": "not-a-uuid"}, "#/event_id", "pattern"),
    ({"event_id": ID.replace("-", "")}, "#/event_id", "pattern"),
    ({"event_id": 7}, "#/event_id", "valid string"),
    ({"type": ""}, "#/type", "at least 1 character"),
    ({"type": "x" * 201}, "#/type", "at most 200 characters"),
    ({"type": "a\0b"}, "#/type", "pattern"),
    ({"occurred_at": "2026-01-01T00:00:00"}, "#/occurred_at", "pattern"),
    ({"occurred_at": "1493979010"}, "#/occurred_at", "pattern"),
    ({"occurred_at": 1493979010}, "#/occurred_at", "valid string"),
    ({"occurred_at": "2026-02-30T00:00:00Z"}, "#/occurred_at", "not a moment that exists"),
    ({"occurred_at": "9999-12-31T23:59:59-12:00"}, "#/occurred_at", "not a moment that exists"),
    ({"payload": [1]}, "#/payload", "should be an object"),
    ({"payload": None}, "#/payload", "should be an object"),
    ({"payload": {"x": "y" * 1000}}, "#/payload", "is 1008 bytes long; at most 1000 are allowed"),
    ({"payload": {"a": ["b", "c\0"]}}, "#/payload/a/1", "U+0000"),
    ({"payload": {"a": {"b\0": 1}}}, "#/payload/a", "has a name that contains U+0000"),
    ({"payload": {"a/b": {"~": 2**64}}}, "#/payload/a~1b/~0", "more than 64 bits"),
    ({"payload": {"a": -(2**63) - 1}}, "#/payload/a", "more than 64 bits"),
    ({"extra": 1}, "#/extra", "Extra inputs"),
]


@pytest.mark.parametrize(("changes", "pointer", "detail"), WRONG_FIELDS)
def test_a_wrong_field_is_named(changes: dict[str, Any], pointer: str, detail: str) -> None:
    """Each wrong value is refused with the path to it."""
    [(found, said)] = refused(json.dumps(event(**changes)).encode())

    assert found == pointer
    assert detail in said


@pytest.mark.parametrize("name", ["event_id", "type", "occurred_at", "payload"])
def test_each_field_is_needed(name: str) -> None:
    """An event without one of its fields is refused, and the field is named."""
    body = event()
    del body[name]

    assert refused(json.dumps(body).encode()) == [(f"#/{name}", "Field required")]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_none_is_refused(number: str) -> None:
    """What JSON does not know, or no double can hold, would become null on its way."""
    assert refused(with_payload(f'{{"a":[0,{number}]}}')) == [("#/payload/a/1", "is not a finite number")]


@pytest.mark.parametrize("text", ['{"a":"\\ud800"}', "{", "", "[[", '{"a":' + "[" * 250 + "]" * 250 + "}"])
def test_what_is_not_json_is_refused(text: str) -> None:
    """Half a surrogate pair, half a document and endless nesting end as 422, not as a crash."""
    [(pointer, detail)] = refused(with_payload(text))

    assert pointer == "#"
    assert "Invalid JSON" in detail


def test_deep_nesting_is_refused() -> None:
    """A payload deeper than every later reader allows is refused."""
    [(pointer, detail)] = refused(with_payload('{"a":' + "[" * 120 + "]" * 120 + "}"))

    assert pointer == "#/payload/a/0/0"
    assert "deeper than 100 levels" in detail


@pytest.mark.parametrize(
    "payload",
    [{}, {"a": None, "b": [True, 1.5, -(2**63), 2**64 - 1]}, {"a": "[{" * 200}, {"€": "\U0001f600\u007f"}],
)
def test_a_plain_payload_passes(payload: dict[str, Any]) -> None:
    """What every reader can hold is accepted as it is."""
    submission = events.parse(json.dumps(event(payload=payload)).encode(), payload_max_bytes=1000)

    assert submission.events[0]["payload"] == payload


def test_a_message_is_never_longer_than_its_weight() -> None:
    """The size used for cutting lists bounds what Celery's JSON makes of the payload, escapes and spaces included."""
    payload = {"€": ["é" * 20, "\U0001f600", "\x7f\n", [1, 2, 3]], "b": {"c": "d, e: f"}}
    submission = events.parse(json.dumps(event(payload=payload)).encode(), payload_max_bytes=1000)

    assert len(json.dumps(payload)) <= submission.payload_bytes[0]


def test_an_event_is_normalised() -> None:
    """The id is written in one way, or the same event would have two; the time in capital letters."""
    body = json.dumps(event(event_id=ID.upper(), occurred_at="2026-01-01t00:00:00.5z")).encode()
    submission = events.parse(body, payload_max_bytes=1000)

    assert submission.events[0]["event_id"] == ID
    assert submission.events[0]["occurred_at"] == "2026-01-01T00:00:00.5Z"


def test_a_list_of_one_is_a_list() -> None:
    """The form decides the class, not the number."""
    one = events.parse(json.dumps(event()).encode(), payload_max_bytes=1000)
    many = events.parse(b" \n" + json.dumps([event()]).encode(), payload_max_bytes=1000)

    assert (one.kind, one.queue) == ("event", "interactive")
    assert (many.kind, many.queue) == ("list", "bulk")


def test_an_id_twice_in_a_list_is_refused() -> None:
    """Also where only the case of a letter differs."""
    body = json.dumps([event(), event(event_id=OTHER_ID), event(event_id=ID.upper())]).encode()

    assert refused(body) == [("#/2/event_id", "appears twice in this list")]


@pytest.mark.parametrize("count", [0, 1001])
def test_a_list_has_bounds(count: int) -> None:
    """No list is empty or longer than 1,000."""
    [(pointer, _)] = refused(json.dumps([event() for _ in range(count)]).encode())

    assert pointer == "#"


def test_all_errors_of_a_list_are_told() -> None:
    """Each broken event is named, in one answer."""
    body = json.dumps([event(type=""), event(event_id=OTHER_ID), {}]).encode()

    assert [pointer for pointer, _ in refused(body)] == [
        "#/0/type", "#/2/event_id", "#/2/type", "#/2/occurred_at", "#/2/payload",
    ]  # fmt: skip
