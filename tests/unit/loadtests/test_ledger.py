"""The ledger is on disk before anything is sent, and survives its writer's death."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loadtests.errors import LedgerDamagedError
from loadtests.feed import Answer, Feed, Request, plan_requests, send_one
from loadtests.history import Effect, Intent, Kind, Outcome, Result
from loadtests.ledger import INTENTS_FILE, OUTCOMES_FILE, Ledger, read_ledger
from loadtests.schedule import Schedule
from loadtests.source import GeneratedEvents


def intent(number: int) -> Intent:
    """An intent of one event."""
    return Intent(
        request_id=f"r-{number}",
        kind=Kind.SINGLE,
        intended_at=100.0 + number,
        effects=(Effect(f"e-{number}", "u", 3, "d1"),),
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """Intents and outcomes come back as they went in."""
    ledger = Ledger(tmp_path, run="run")
    ledger.intend([intent(1), intent(2)])
    result = Result(
        request_id="r-1", outcome=Outcome.ACCEPTED, sent_at=101.0, returned_at=101.5, status=202, job_id="job"
    )
    ledger.record(result)
    ledger.close()

    attempts = read_ledger(tmp_path).attempts

    assert [attempt.intent for attempt in attempts] == [intent(1), intent(2)]
    assert attempts[0].result == result


def test_an_intent_without_an_outcome_is_unknown(tmp_path: Path) -> None:
    """A generator that died between the send and its note claims nothing about the request."""
    ledger = Ledger(tmp_path, run="run")
    ledger.intend([intent(1)])
    ledger.close()

    assert [attempt.outcome for attempt in read_ledger(tmp_path).attempts] == [Outcome.UNKNOWN]


@pytest.mark.parametrize("file", [INTENTS_FILE, OUTCOMES_FILE])
@pytest.mark.parametrize("keep", [1, 10, -1])
def test_a_torn_last_line_is_dropped(tmp_path: Path, file: str, keep: int) -> None:
    """A crash in the middle of a write costs that line and no other."""
    ledger = Ledger(tmp_path, run="run")
    ledger.intend([intent(1)])
    ledger.record(Result(request_id="r-1", outcome=Outcome.ACCEPTED, status=202))
    ledger.close()
    path = tmp_path / file
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:keep])

    attempts = read_ledger(tmp_path).attempts

    assert [attempt.outcome for attempt in attempts] == [Outcome.ACCEPTED]


def test_a_damaged_line_is_an_error(tmp_path: Path) -> None:
    """Damage elsewhere than at the end is no crash, and nothing can be concluded from such a ledger."""
    (tmp_path / INTENTS_FILE).write_bytes(b'{"request_id":\n{}\n')

    with pytest.raises(LedgerDamagedError, match="line 1"):
        read_ledger(tmp_path)


def test_an_outcome_without_an_intent_is_an_error(tmp_path: Path) -> None:
    """An outcome proves a send, and a send without an intent breaks the ledger's one rule."""
    ledger = Ledger(tmp_path, run="run")
    ledger.record(Result(request_id="r-9", outcome=Outcome.ACCEPTED, status=202))
    ledger.close()

    with pytest.raises(LedgerDamagedError, match="r-9 was never intended"):
        read_ledger(tmp_path)


def test_no_request_leaves_before_its_intent_is_synced(tmp_path: Path) -> None:
    """At each send the synced part of the file already holds the intent."""
    synced = [0]

    def sync(descriptor: int) -> None:
        os.fsync(descriptor)
        synced[0] = (tmp_path / INTENTS_FILE).stat().st_size

    ledger = Ledger(tmp_path, run="run", sync=sync)
    slots = Schedule(seconds=5, singles_per_second=20, lists_per_second=2).slots()
    feed = Feed(
        plan_requests(slots, GeneratedEvents(run="run"), run="run", started_at=0.0), ledger, sleep=lambda _: None
    )
    feed.start()
    sent = 0

    def post(request: Request) -> Answer:
        nonlocal sent
        on_disk = (tmp_path / INTENTS_FILE).read_bytes()[: synced[0]]
        assert f'"{request.intent.request_id}"'.encode() in on_disk
        sent += 1
        return Answer(status=202)

    while (request := feed.take()) is not None:
        send_one(request, ledger, post, clock=lambda: request.intent.intended_at)
    ledger.close()

    assert sent == len(slots)
    assert {attempt.outcome for attempt in read_ledger(tmp_path).attempts} == {Outcome.ACCEPTED}


def test_a_failing_disk_stops_the_load(tmp_path: Path) -> None:
    """When an intent cannot be synced, none of its group is handed out."""

    def sync(_: int) -> None:
        raise OSError(28, "No space left on device")

    ledger = Ledger(tmp_path, run="run", sync=sync)
    slots = Schedule(seconds=1, singles_per_second=3, lists_per_second=0).slots()
    feed = Feed(plan_requests(slots, GeneratedEvents(run="run"), run="run", started_at=0.0), ledger)

    with pytest.raises(OSError, match="No space left"):
        feed.fill()

    assert feed.take() is None
    assert isinstance(feed.failure, OSError)
