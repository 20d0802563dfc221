"""What the judges of the mix share with application and verdict; test_verdict.py plants a bug for each promise."""

from __future__ import annotations

from app.tasks import addresses, statements
from loadtests.mix import counted_batch, limited_calls, unique_jobs
from loadtests.mix.mixed import Mixed
from loadtests.verdict import Verdict, Weight
from tests.unit.loadtests.judged_run import GOOD
from tests.unit.loadtests.mix.good_patterns import METERS, found


def test_a_broken_promise_is_a_fail_and_says_what_was_found() -> None:
    """In words, beside what was expected."""
    run = GOOD.went(mixed=found(counted_batch, meters={**METERS, "m-1": 60}))

    assert run.verdict is Verdict.FAIL
    assert [check.detail for check in run.checks if not check.ok] == [
        "1 of them (expected: 2 meters with the sum of their readings)"
    ]


def test_a_pattern_that_was_not_sent_proves_nothing() -> None:
    """The verdict is VOID and says why."""
    run = GOOD.went(mixed=Mixed(unsent=[("poison", "503")]))

    assert run.verdict is Verdict.VOID
    assert [(check.name, check.weight) for check in run.checks if not check.ok] == [("poison was sent", Weight.VOID)]


def test_the_fullest_period() -> None:
    """A period includes its beginning, and excludes its end."""
    assert limited_calls.fullest([], 60) == 0
    assert limited_calls.fullest([0, 59.9, 60, 61], 60) == 3
    assert limited_calls.fullest([0, 60, 120], 60) == 1


def test_the_limit_and_the_window_are_the_declared_ones() -> None:
    """The load harness knows only the contract, so it repeats these numbers; they must agree."""
    assert (addresses.GEOCODER.calls, addresses.GEOCODER.seconds) == (limited_calls.CALLS, limited_calls.PERIOD_SECONDS)
    assert statements.refresh_statement.window_seconds == unique_jobs.WINDOW_SECONDS
