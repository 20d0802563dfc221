"""What a request may say, as a table of bodies and what is answered."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from typing import Any

import pytest

from app.gateway import items
from app.gateway.items import Submission
from app.gateway.problems import ProblemError
from app.kinds.items import ItemForm
from app.tasks.user_events import Event

EVENTS = ItemForm(Event, key="event_id")

ID = "0b8f1e0e-5f39-4a43-9b1c-3f1f9f3d5b11"
OTHER_ID = "0b8f1e0e-5f39-4a43-9b1c-3f1f9f3d5b12"


def event(**changes: Any) -> dict[str, Any]:
    """A valid event, changed."""
    return {"event_id": ID, "type": "click", "occurred_at": "2026-01-01T00:00:00Z", "payload": {"a": 1}} | changes


def with_payload(text: str) -> bytes:
    """An event whose payload is this text, which need not be JSON that Python would write."""
    return json.dumps(event(payload="PAYLOAD")).replace('"PAYLOAD"', text).encode()


def parse(body: bytes, *, payload_max_bytes: int = 1000) -> Submission:
    """What the body says."""
    return asyncio.run(items.parse(body, EVENTS, payload_max_bytes=payload_max_bytes))


def refused(body: bytes, *, payload_max_bytes: int = 1000) -> list[tuple[str, str]]:
    """The errors of a body that must not be accepted."""
    with pytest.raises(ProblemError) as raised:
        parse(body, payload_max_bytes=payload_max_bytes)
    assert raised.value.kind.status == 422
    return [(error.pointer, error.detail) for error in raised.value.errors]


WRONG_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"event_id": "not-a-uuid"}, "#/event_id", "pattern"),
    ({"event_id": ID.replace("-", "")}, "#/event_id", "pattern"),
    ({"event_id": 7}, "#/event_id", "valid string"),
    ({"type": ""}, "#/type", "at least 1 character"),
    ({"type": "x" * 201}, "#/type", "at most 200 characters"),
    ({"type": "a\0b"}, "#/type", "U+0000"),
    ({"occurred_at": "2026-01-01T00:00:00"}, "#/occurred_at", "pattern"),
    ({"occurred_at": "1493979010"}, "#/occurred_at", "pattern"),
    ({"occurred_at": 1493979010}, "#/occurred_at", "valid string"),
    ({"occurred_at": "2026-02-30T00:00:00Z"}, "#/occurred_at", "not a moment that exists"),
    ({"occurred_at": "9999-12-31T23:59:59-12:00"}, "#/occurred_at", "not a moment that exists"),
    ({"payload": [1]}, "#/payload", "should be an object"),
    ({"payload": None}, "#/payload", "should be an object"),
    ({"occurred_at": "2026-01-01T00:00:00+23:59"}, "#/occurred_at", "offset of less than 16 hours"),
    ({"occurred_at": "2026-01-01T00:00:00-16:00"}, "#/occurred_at", "offset of less than 16 hours"),
    ({"payload": {"x": "y" * 1000}}, "#/payload", "is 1009 bytes long; at most 1000 are allowed"),
    ({"payload": {"x": "é" * 400}}, "#/payload", "is longer than the 1000 bytes"),
    ({"type": "\ud800"}, "#/type", "half of a surrogate pair"),
    ({"\ud800": 1}, "#/?", "Extra inputs"),
    ({"payload": {"a": ["b", "c\0"]}}, "#/payload/a/1", "U+0000"),
    ({"payload": {"a": {"b\0": 1}}}, "#/payload/a", "has a name that contains U+0000"),
    ({"payload": {"a/b": {"~": "\ud800"}}}, "#/payload/a~1b/~0", "half of a surrogate pair"),
    ({"payload": {"a": -(10**400)}}, "#/payload/a", "at most 400 characters"),
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


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1e-999", "0." + "1" * 400])
def test_a_number_that_is_none_is_refused(number: str) -> None:
    """What JSON does not know, or what would be written out as many thousand digits."""
    [(pointer, detail)] = refused(with_payload(f'{{"a":[0,{number}]}}'))

    assert pointer == "#/payload/a/1"
    assert "is not a number of at most 400 characters" in detail


@pytest.mark.parametrize("text", ["{", "", "[[", '{"a":1,}', "{'a':1}", '{"a":01}', '{"a":"\n"}', '{"a":1} {"b":2}'])
def test_what_is_not_json_is_refused(text: str) -> None:
    """Half a document and what is almost JSON end as 422, not as a crash."""
    [(pointer, detail)] = refused(with_payload(text))

    assert pointer == "#"
    assert "Invalid JSON" in detail


@pytest.mark.parametrize(
    "body", [b"", b" ", b"\xef\xbb\xbf", b"\xff", b'{"a":"\xff"}', b"{} {}", b"[] 1", b"nul", b"[{}"]
)
def test_a_body_that_is_no_document_is_refused(body: bytes) -> None:
    """Whatever the bytes are, the answer says that they are not JSON."""
    assert "Invalid JSON" in refused(body)[-1][1]


@pytest.mark.parametrize("levels", [120, 5000])
def test_deep_nesting_is_refused(levels: int) -> None:
    """A payload deeper than every later reader allows is refused, however deep."""
    nested = with_payload('{"a":' + "[" * levels + "]" * levels + "}")

    assert refused(nested, payload_max_bytes=20_000) == [("#/payload", "is nested deeper than 100 levels")]


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"a": None, "b": [True, 1.5, -(2**63), 2**64 - 1]},
        {"a": "[{" * 200},
        {"€": "\U0001f600\u007f"},
        {"a": "\\u0000 \\ud800"},
        [[[]] * 40] * 3,
        ["[" * 101, "\\", '"[{' * 40, [{}]],
    ],
)
def test_a_plain_payload_passes(payload: Any) -> None:
    """What every reader can hold is accepted as it is."""
    submission = parse(json.dumps(event(payload={"a": payload})).encode())

    assert json.loads(submission.items[0].texts["payload"]) == {"a": payload}


@pytest.mark.parametrize(
    "text",
    [
        '{"x": {"__type__": "foo", "__value__": 1}}',
        '{"__type__": "decimal", "__value__": "1.5"}',
        '{"exact":12345678901234567.89,"e":1e308,"z":-0.0,"t":0.1000000000000000055511151231257827}',
        '{"whole":123456789012345678901234567890}',
        '{ "spaced" :\n[ 1 , 2 ]\t}',
        '{"escaped":"\\u00e9\\ud83d\\ude00\\/","plain":"é\U0001f600"}',
    ],
)
@pytest.mark.parametrize("many", [False, True])
def test_a_payload_is_carried_as_it_was_sent(text: str, many: bool) -> None:
    """BR-01, BR-02, BR-35: not a character of it changes, whatever kombu or a float would make of it."""
    body = with_payload(text)
    body = b"[" + body + b"," + body.replace(ID.encode(), OTHER_ID.encode()) + b"]" if many else body

    assert {one.texts["payload"].decode() for one in parse(body).items} == {text}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (with_payload('{"a":1,"a":2}'), "#/payload"),
        (with_payload('{"a":[{"b":1,"\\u0062":1}]}'), "#/payload/a/0"),
        (with_payload("{}").replace(b'{"event_id"', b'{"type":"y","event_id"'), "#/type"),
        (with_payload("{}").replace(b'"payload"', b'"payload":{},"payload"'), "#/payload"),
    ],
)
def test_two_members_of_one_name_are_refused(body: bytes, pointer: str) -> None:
    """BR-36: one reader takes the first and another the last, so two systems would see two events."""
    [(found, detail)] = refused(body)

    assert found == pointer
    assert "twice" in detail or "same name" in detail


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b" " * 5000, b"\xef\xbb\xbf" + b"\r\n\t" * 9000])
def test_what_carries_nothing_is_skipped(before: bytes) -> None:
    """BR-34: a byte-order mark, and white space of any length, before, between and behind."""
    body = json.dumps(event()).encode()
    assert not parse(before + body).is_list

    many = parse(before + b"[" + b" " * 5000 + body + b" " * 5000 + b"]" + b" " * 5000)

    assert (many.is_list, len(many.items)) == (True, 1)


def test_the_window_moves_over_any_text() -> None:
    """Events and characters that lie across the edges of what is read at once are whole."""
    payloads = [{"€" * (number % 7): "\U0001f600é" * (number % 50), "n": number} for number in range(600)]
    ids = [f"0b8f1e0e-5f39-4a43-9b1c-{number:012}" for number in range(600)]
    sent = [event(event_id=one, payload=payload) for one, payload in zip(ids, payloads, strict=True)]

    got = parse(json.dumps(sent, ensure_ascii=False).encode()).items

    assert [json.loads(one.texts["payload"]) for one in got] == payloads
    assert [one.key for one in got] == ids


_MANY_NAMES = b"{" + b",".join(b'"k%d":1' % number for number in range(300_000)) + b"}"
_MANY_NULS = with_payload('{"a":[' + ",".join(['"\\u0000"'] * 14_000) + "]}")
_MANY_EVENTS = b"[" + b",".join([b"{}"] * 300_000) + b"]"
_ONE_LONG_PAYLOAD = with_payload('{"a":[' + ",".join(["[]"] * 1_000_000) + "]}")
_LONG_NAME = b'{"' + b"x" * 3_000_000 + b'":1}'


@pytest.mark.parametrize(
    ("body", "errors"),
    [(_MANY_NAMES, 20), (_MANY_NULS, 20), (_MANY_EVENTS, 20), (_ONE_LONG_PAYLOAD, 1), (_LONG_NAME, 1)],
    ids=["names", "NULs", "events", "payload", "name"],
)
def test_what_is_wrong_many_times_is_not_looked_at_to_the_end(body: bytes, errors: int) -> None:
    """BR-03: a few errors are found and no more are built; memory is bounded by one payload, not by the body."""
    tracemalloc.start()
    try:
        found = refused(body, payload_max_bytes=128 * 1024)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(found) == errors
    assert all(len(pointer) <= 400 for pointer, _ in found)
    assert peak_bytes < 8 * 1024 * 1024


def test_others_run_while_a_long_list_is_read() -> None:
    """BR-24: a long list is read in slices, and the event loop turns between them."""
    body = json.dumps(
        [event(event_id=f"0b8f1e0e-5f39-4a43-9b1c-{n:012}", payload={"a": [{"k": 1}] * 1300}) for n in range(200)]
    )
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def scenario() -> None:
        running = asyncio.create_task(others())
        await items.parse(body.encode(), EVENTS, payload_max_bytes=128 * 1024)
        running.cancel()

    asyncio.run(scenario())

    assert turns > 10


def test_the_key_of_an_event_is_normalised() -> None:
    """The id is written in one way, or the same event would have two; the event itself goes on as it was sent."""
    written = event(event_id=ID.upper(), occurred_at="2026-01-01t00:00:00.5z")
    submission = parse(json.dumps(written).encode())

    [sent] = submission.items
    assert sent.key == ID
    assert sent.wire == written | {"payload": '{"a": 1}'}


def test_a_list_of_one_is_a_list() -> None:
    """The form decides the queue, not the number."""
    one = parse(json.dumps(event()).encode())
    many = parse(b" \n" + json.dumps([event()]).encode())

    assert (one.is_list, many.is_list) == (False, True)


def test_an_id_twice_in_a_list_is_refused() -> None:
    """Also where only the case of a letter differs."""
    body = json.dumps([event(), event(event_id=OTHER_ID), event(event_id=ID.upper())]).encode()

    assert refused(body) == [("#/2/event_id", "appears twice in this list")]


@pytest.mark.parametrize("count", [0, 1001])
def test_a_list_has_bounds(count: int) -> None:
    """No list is empty or longer than 1,000."""
    [(pointer, _)] = refused(
        json.dumps([event(event_id=f"0b8f1e0e-5f39-4a43-9b1c-{n:012}") for n in range(count)]).encode()
    )

    assert pointer == "#"


def test_all_errors_of_a_list_are_told() -> None:
    """Each broken event is named, in one answer."""
    body = json.dumps([event(type=""), event(event_id=OTHER_ID), {}]).encode()

    assert [pointer for pointer, _ in refused(body)] == [
        "#/0/type", "#/2/event_id", "#/2/type", "#/2/occurred_at", "#/2/payload",
    ]  # fmt: skip
