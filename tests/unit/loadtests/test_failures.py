"""What a fault cost is listed request by request."""

from __future__ import annotations

from pathlib import Path

import orjson

from loadtests.failures import FAILURES_FILE, by_second, write_failures
from loadtests.history import Attempt, Effect, History, Intent, Kind, Outcome, Result


def _attempt(name: str, at: float, outcome: Outcome, error: str | None = None) -> Attempt:
    intent = Intent(request_id=name, kind=Kind.SINGLE, intended_at=at, effects=(Effect(name, "u", 1),))
    return Attempt(intent=intent, result=Result(request_id=name, outcome=outcome, error=error))


HISTORY = History(
    attempts=(
        _attempt("late", 107.5, Outcome.NOT_SENT),
        _attempt("good", 101.0, Outcome.ACCEPTED),
        _attempt("bad", 102.25, Outcome.UNKNOWN, "ConnectionResetError: peer"),
        _attempt("refused", 102.5, Outcome.REFUSED),
    )
)


def test_failures_are_counted_by_the_second_in_which_they_were_due() -> None:
    """Accepted ones are no failures."""
    assert by_second(HISTORY, 100.0) == {"2": 2, "7": 1}


def test_each_is_a_line_with_its_time_and_error(tmp_path: Path) -> None:
    """In the order of their times."""
    lines = [orjson.loads(line) for line in write_failures(tmp_path, HISTORY, 100.0).read_bytes().splitlines()]

    assert (tmp_path / FAILURES_FILE).is_file()
    assert [line["request_id"] for line in lines] == ["bad", "refused", "late"]
    assert lines[0]["intended_at"] == 102.25
    assert lines[0]["error"] == "ConnectionResetError: peer"
