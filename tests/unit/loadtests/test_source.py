"""Events are fresh, the oracle knows what each must do, and a bad input file says which line is bad and why."""

from __future__ import annotations

import uuid
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest

from loadtests.errors import InputFileError
from loadtests.history import Effect
from loadtests.source import GeneratedEvents, ReplayedEvents, amount_of, digest_of, user_of

GOOD: dict[str, Any] = {
    "event_id": "8a316501-e7df-5a55-bdfa-64d1c8570655",
    "type": "github.push",
    "occurred_at": "2026-01-01T00:00:00+00:00",
    "payload": {"sender": {"login": "octocat"}, "size": 3},
}


def test_generated_events_are_about_300_bytes_and_unique() -> None:
    """Two runs with one seed send the same users and amounts under ids that never meet."""
    first = list(islice(GeneratedEvents(run="20260101-000000-abcd", seed=1), 1000))
    again = list(islice(GeneratedEvents(run="20260101-000000-abcd", seed=1), 1000))

    assert len({effect.event_id for effect, _ in first + again}) == 2000
    assert [(e.user_id, e.amount) for e, _ in first] == [(e.user_id, e.amount) for e, _ in again]
    assert 270 <= sum(len(body) for _, body in first) / 1000 <= 330


def test_generated_events_say_what_the_oracle_expects() -> None:
    """User and amount in the payload are those of the effect, and so is the digest."""
    for effect, body in islice(GeneratedEvents(run="a"), 100):
        event = orjson.loads(body)
        assert uuid.UUID(event["event_id"]).version == 4
        user, amount = user_of(event["payload"], event["type"]), amount_of(event["payload"])
        assert effect == Effect(event["event_id"], user, amount, digest_of(event))
        assert effect.user_id.startswith("a-u")
        assert 1 <= effect.amount <= 100


def test_a_file_is_replayed_over_and_over_with_fresh_ids(tmp_path: Path) -> None:
    """Type, time and payload stay as they are in the file; the id is new each time."""
    other = {**GOOD, "type": "github.fork"}
    file = tmp_path / "in.ndjson"
    file.write_bytes(orjson.dumps(GOOD) + b"\n\n" + orjson.dumps(other) + b"\n")

    events = list(islice(ReplayedEvents.from_file(file, run="a"), 5))

    bodies = [orjson.loads(body) for _, body in events]
    assert [body["type"] for body in bodies] == ["github.push", "github.fork"] * 2 + ["github.push"]
    assert len({body["event_id"] for body in bodies} | {GOOD["event_id"]}) == 6
    assert all(body["payload"] == GOOD["payload"] and body["occurred_at"] == GOOD["occurred_at"] for body in bodies)
    assert [effect.event_id for effect, _ in events] == [body["event_id"] for body in bodies]
    assert [effect.digest for effect, _ in events] == [digest_of(body) for body in bodies]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{nonsense", "line 2: is not JSON"),
        (b"[]", "line 2: must be a JSON object"),
        (orjson.dumps({"type": "a"}), "line 2: lacks event_id, occurred_at, payload"),
        (orjson.dumps({**GOOD, "extra": 1}), "line 2: has unknown fields extra; remove them"),
        (orjson.dumps({**GOOD, "event_id": "7"}), "line 2: event_id: must be a UUID, not '7'"),
        (orjson.dumps({**GOOD, "event_id": 7}), "line 2: event_id: must be a UUID, not 7"),
        (orjson.dumps({**GOOD, "type": ""}), "line 2: type: must be a string of 1 to 200"),
        (orjson.dumps({**GOOD, "occurred_at": "yesterday"}), "line 2: occurred_at: must be a time like"),
        (orjson.dumps({**GOOD, "occurred_at": "2026-01-01T00:00:00"}), "line 2: occurred_at: must name its time zone"),
        (orjson.dumps({**GOOD, "payload": "text"}), "line 2: payload: must be a JSON object"),
    ],
)
def test_a_bad_line_is_named_with_its_fault(tmp_path: Path, line: bytes, message: str) -> None:
    """The error names the file, the line and the field, and what is expected."""
    file = tmp_path / "in.ndjson"
    file.write_bytes(orjson.dumps(GOOD) + b"\n" + line + b"\n")

    with pytest.raises(InputFileError) as caught:
        ReplayedEvents.from_file(file, run="a")

    assert str(file) in str(caught.value)
    assert message in str(caught.value)


def test_many_bad_lines_are_counted_not_poured_out(tmp_path: Path) -> None:
    """Ten errors are shown, the rest is a number."""
    file = tmp_path / "in.ndjson"
    file.write_bytes(b"x\n" * 25)

    with pytest.raises(InputFileError, match="and 15 more lines"):
        ReplayedEvents.from_file(file, run="a")


@pytest.mark.parametrize(("content", "message"), [(b"", "no event"), (b"\n\n", "no event"), (None, "No such file")])
def test_a_file_without_events_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    """Nothing to replay is an error, not a load of nothing."""
    file = tmp_path / "in.ndjson"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(InputFileError, match=message):
        ReplayedEvents.from_file(file, run="a")


@pytest.mark.parametrize(
    ("payload", "user", "amount"),
    [
        ({"user_id": "ann", "amount": 5}, "ann", 5),
        ({"user_id": 7, "amount": True}, "7", 1),
        ({"user_id": True, "sender": {"login": "bob"}}, "bob", 1),
        ({"user_id": None, "sender": {"login": None}}, "a.type", 1),
        ({"sender": None, "amount": 0}, "a.type", 1),
        ({"amount": 10**9}, "a.type", 10**9),
        ({"amount": 10**9 + 1}, "a.type", 1),
        ({"amount": 2.5}, "a.type", 1),
    ],
)
def test_user_and_amount_follow_the_rule(payload: dict[str, Any], user: str, amount: int) -> None:
    """The oracle reads a payload as the documentation says, without asking the application."""
    assert (user_of(payload, "a.type"), amount_of(payload)) == (user, amount)
