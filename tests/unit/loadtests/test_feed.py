"""Requests are sent once, at their time, and judged by their answers."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from app.gateway import problems
from loadtests.feed import GIVE_UP_SECONDS, LIST_MAX_BYTES, Answer, Feed, Request, plan_requests, read_answer, send_one
from loadtests.history import CUT_OFF, Kind, Outcome, classify
from loadtests.ledger import Ledger, read_ledger
from loadtests.schedule import Schedule, Slot
from loadtests.source import GeneratedEvents, ReplayedEvents


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (202, Outcome.ACCEPTED),
        (200, Outcome.UNKNOWN),
        (302, Outcome.UNKNOWN),
        (400, Outcome.REFUSED),
        (401, Outcome.REFUSED),
        (422, Outcome.REFUSED),
        (429, Outcome.REFUSED),
        (500, Outcome.UNKNOWN),
        (502, Outcome.UNKNOWN),
        (503, Outcome.UNKNOWN),
        (None, Outcome.UNKNOWN),
    ],
)
def test_an_answer_is_judged(status: int | None, outcome: Outcome) -> None:
    """Only a 202 is an acceptance and only a 4xx a refusal; a 503 may follow a commit."""
    assert classify(status) is outcome


def one_request() -> Request:
    """A request intended for second 100."""
    slots = [Slot(0.0, Kind.SINGLE, 1)]
    return next(plan_requests(slots, GeneratedEvents(run="run"), run="run", started_at=100.0))


def sent(tmp_path: Path, clock: list[float], post: object) -> Outcome:
    """Send one request by this clock and return its outcome."""
    request = one_request()
    ledger = Ledger(tmp_path, run="run")
    ledger.intend([request.intent])
    send_one(request, ledger, post, clock=lambda: clock.pop(0), sleep=lambda _: None)  # type: ignore[arg-type]
    ledger.close()
    (attempt,) = read_ledger(tmp_path).attempts
    return attempt.outcome


def test_a_request_that_fails_is_unknown_and_not_sent_again(tmp_path: Path) -> None:
    """A timeout leaves the outcome open; repeating it would hide a loss."""
    calls = 0

    def post(_: Request) -> Answer:
        nonlocal calls
        calls += 1
        raise TimeoutError

    assert sent(tmp_path, [100.0, 100.0, 110.0], post) is Outcome.UNKNOWN
    assert calls == 1


def test_a_request_that_is_far_too_late_is_not_sent(tmp_path: Path) -> None:
    """The load ends when its schedule does, and what was left out is counted."""

    def post(_: Request) -> Answer:
        raise AssertionError

    late = 100.0 + GIVE_UP_SECONDS + 1
    assert sent(tmp_path, [late, late], post) is Outcome.NOT_SENT


def test_a_list_is_one_body_of_its_events() -> None:
    """The body holds the intent's events, in order."""
    request = next(plan_requests([Slot(0.0, Kind.LIST, 5)], GeneratedEvents(run="run"), run="run", started_at=0.0))

    body = orjson.loads(request.body)

    assert [event["event_id"] for event in body] == [effect.event_id for effect in request.intent.effects]
    assert [event["payload"]["amount"] for event in body] == [effect.amount for effect in request.intent.effects]


def test_a_list_of_large_events_is_cut_by_bytes(tmp_path: Path) -> None:
    """Events of 100 KB do not make a request of 20 MB."""
    event = {
        "event_id": "8a316501-e7df-5a55-bdfa-64d1c8570655",
        "type": "t",
        "occurred_at": "2026-01-01T00:00:00Z",
        "payload": {"x": "y" * 100_000},
    }
    (tmp_path / "big.ndjson").write_bytes(orjson.dumps(event))
    source = ReplayedEvents.from_file(tmp_path / "big.ndjson", run="run")

    request = next(plan_requests([Slot(0.0, Kind.LIST, 200)], source, run="run", started_at=0.0))

    assert LIST_MAX_BYTES <= len(request.body) < LIST_MAX_BYTES + 110_000


def test_a_stopped_feed_hands_out_no_more(tmp_path: Path) -> None:
    """After `stop` the takers come to an end, all of them."""
    ledger = Ledger(tmp_path, run="run")
    slots = Schedule(seconds=60, singles_per_second=10, lists_per_second=0).slots()
    feed = Feed(plan_requests(slots, GeneratedEvents(run="run"), run="run", started_at=0.0), ledger)
    feed.stop()
    feed.fill()

    assert (feed.take(), feed.take()) == (None, None)


def test_a_feed_that_is_stopped_in_the_middle_hands_out_what_is_in_the_ledger(tmp_path: Path) -> None:
    """Neither more nor less: what was intended is sent, and nothing is intended that is not."""
    ledger = Ledger(tmp_path, run="run")
    slots = Schedule(seconds=60, singles_per_second=10, lists_per_second=0).slots()
    requests = plan_requests(slots, GeneratedEvents(run="run"), run="run", started_at=100.0)
    now = [100.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if now[0] > 110:
            feed.stop()

    feed = Feed(requests, ledger, clock=lambda: now[0], sleep=sleep)
    feed.fill()
    taken = list(iter(feed.take, None))

    assert [each.intent for each in taken] == [attempt.intent for attempt in read_ledger(tmp_path).attempts]
    assert 50 < len(taken) < 200


def test_an_answer_gives_its_job_or_its_problem() -> None:
    """The job's id is kept from a 202, the problem's name and its beginning from anything else."""
    assert read_answer(202, b'{"job_id": "j-1"}').job_id == "j-1"
    assert read_answer(202, b'{"job_id": "j-') == Answer(status=202, error=CUT_OFF)
    for no_job in (b'{"accepted": 1}', b"{}", b"null"):
        assert read_answer(202, no_job) == Answer(status=202), "an answer that is whole must name a job"
    assert read_answer(422, b'{"title": "no"}').error == '{"title": "no"}'


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (problems.OVERLOADED, Outcome.REFUSED),
        (problems.UNAVAILABLE, Outcome.REFUSED),
        (problems.RATE_LIMITED, Outcome.REFUSED),
        (problems.OUTCOME_UNKNOWN, Outcome.UNKNOWN),
        (problems.INTERNAL, Outcome.UNKNOWN),
    ],
)
def test_the_gateway_is_taken_at_its_word(kind: problems.Kind, outcome: Outcome) -> None:
    """Two 503 differ: after one that says that nothing was accepted, nothing may run."""
    answer = read_answer(kind.status, bytes(problems.response(problems.ProblemError(kind)).body))

    assert answer.problem == kind.name
    assert classify(answer.status, answer.problem) is outcome


@pytest.mark.parametrize(
    "body", [b"<html>503</html>", b'"text"', b"", None, b'{"type": "about:blank"}', b'{"type": "overloaded"}']
)
def test_a_503_of_somebody_else_promises_nothing(body: bytes | None) -> None:
    """A proxy in between cannot know."""
    answer = read_answer(503, body)

    assert classify(answer.status, answer.problem) is Outcome.UNKNOWN
