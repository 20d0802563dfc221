"""Rates, the longest stall and recovery, on runs small enough to work out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from loadtests.latency import measure, summarise
from loadtests.synthetic import START, Request, make_run
from loadtests.timeline import Passage, draw, longest_stall, passages, recovery_seconds


def made(accepted_at: float, stored_at: float) -> Passage:
    """An event that was accepted when it was meant to be sent."""
    return Passage(accepted_at, stored_at, accepted_at)


def steady(seconds: float, *, dead: tuple[float, float] | None = None) -> list[Passage]:
    """Ten events a second, each stored after 50 ms; in the dead time nothing is stored, then all that waited."""
    ways = []
    for number in range(round(seconds * 10)):
        accepted = number / 10
        stored = accepted + 0.05
        if dead and dead[0] <= stored < dead[1]:
            stored = dead[1]
        ways.append(made(accepted, stored))
    return sorted(ways, key=lambda way: way.stored_at)


def test_rates_are_counted_by_the_second() -> None:
    """Twenty requests in two seconds are ten accepted and ten executed in each; two are lists of two events."""
    history, seen = make_run([Request() for _ in range(18)] + [Request(events=2) for _ in range(2)])

    line = draw(history, passages(history, seen), START)

    assert line.intended == line.accepted == line.executed == (10, 12)
    assert line.executed_of_lists == (0, 4)
    assert line.pending == (0, 0)
    assert line.p99_milliseconds == (50, 50)


def test_p99_is_that_of_the_second_of_the_effect() -> None:
    """Of 100 events that end in one second, the 99th longest wait counts, from the intended send; none is 0."""
    history, _ = make_run([Request() for _ in range(20)])
    waits = [Passage(START, START + 1.5, START + 1.5 - (number + 1) / 1000) for number in range(100)]

    assert draw(history, waits, START).p99_milliseconds == (0, 99)


def test_no_events_is_an_empty_timeline() -> None:
    """A run that sent nothing can be drawn too."""
    history, seen = make_run([])

    assert draw(history, passages(history, seen), START).executed == ()
    assert longest_stall([], START).seconds == 0
    assert recovery_seconds([], started_at=0, injected_at=1) is None


def test_a_quiet_time_without_work_is_no_stall() -> None:
    """Nothing waited, so nothing stalled."""
    ways = [made(0.0, 0.1), made(50.0, 50.2)]

    assert longest_stall(ways, 0.0).seconds == pytest.approx(0.2)


def test_a_stall_is_measured_from_the_work_that_waited() -> None:
    """From the last effect, or from the oldest work that waited if that came later, to the next effect."""
    stall = longest_stall(steady(30, dead=(10.0, 14.0)), 0.0)

    assert stall.seconds == pytest.approx(4.05, abs=0.06)
    assert stall.began_after == pytest.approx(9.95, abs=0.06)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)), min_size=1, max_size=20))
def test_the_longest_stall_is_that_of_the_definition(pairs: list[tuple[float, float]]) -> None:
    """It equals the longest time without an effect and with work waiting, looked up the slow way."""
    ways = sorted((made(begin, begin + length) for begin, length in pairs), key=lambda way: way.stored_at)
    slow = 0.0
    for way in ways:
        effects = [other.stored_at for other in ways]
        for begin in [other.accepted_at for other in ways] + effects:
            waits = any(other.accepted_at <= begin and other.stored_at >= way.stored_at for other in ways)
            if begin <= way.stored_at and waits and not any(begin < effect < way.stored_at for effect in effects):
                slow = max(slow, way.stored_at - begin)

    assert longest_stall(ways, 0.0).seconds == pytest.approx(slow)


def test_recovery_is_from_the_kill_to_the_end_of_the_backlog() -> None:
    """Four dead seconds are four seconds to recover."""
    ways = steady(60, dead=(20.0, 24.0))

    assert recovery_seconds(ways, started_at=0.0, injected_at=20.0) == pytest.approx(4.0, abs=0.5)


def test_a_fault_that_is_not_felt_recovers_at_once() -> None:
    """No backlog, no recovery to wait for."""
    assert recovery_seconds(steady(60), started_at=0.0, injected_at=20.0) == 0.0


def test_one_stuck_event_is_no_recovery() -> None:
    """The rate is as before, and yet somebody waits."""
    ways = sorted([*steady(60), made(20.1, 31.0)], key=lambda way: way.stored_at)

    assert recovery_seconds(ways, started_at=0.0, injected_at=20.0) == pytest.approx(11.0, abs=0.3)


def test_recovery_must_last() -> None:
    """A good moment between two stalls is not a recovery."""
    ways = steady(60, dead=(20.0, 24.0))
    ways = sorted(
        (made(way.accepted_at, 28.0 if 25.0 <= way.stored_at < 28.0 else way.stored_at) for way in ways),
        key=lambda way: way.stored_at,
    )

    assert recovery_seconds(ways, started_at=0.0, injected_at=20.0) == pytest.approx(8.0, abs=0.5)


def test_an_effect_before_its_answer_waited_for_nothing() -> None:
    """A worker may be faster than the way back of a 202."""
    history, seen = make_run([Request()])

    (way,) = passages(history, seen)

    assert way.accepted_at <= way.stored_at


def test_percentiles_are_those_of_the_samples() -> None:
    """One to a thousand milliseconds, to three digits."""
    latency = summarise(number / 1000 for number in range(1, 1001))

    assert latency.count == 1000
    assert (latency.p50, latency.p95, latency.p99) == pytest.approx((500, 950, 990), rel=0.002)
    assert latency.max == pytest.approx(1000, rel=0.002)


def test_negative_samples_are_counted_and_kept_out() -> None:
    """They say that a clock is broken, and nothing about latency."""
    latency = summarise([-0.1, 0.2])

    assert (latency.count, latency.negative) == (1, 1)
    assert summarise([]).p99 == 0


def test_latency_counts_from_the_intended_time() -> None:
    """Single events and lists are measured apart, from the schedule and not from the send."""
    latencies = measure(*make_run([Request(), Request(events=3)]))

    assert latencies.end_to_end.count == 4
    assert (latencies.end_to_end_single.count, latencies.end_to_end_list.count) == (1, 3)
    assert latencies.end_to_end.p50 == pytest.approx(50, rel=0.01)
    assert latencies.http.p50 == pytest.approx(19, rel=0.01)
    assert latencies.send_lateness.p50 == pytest.approx(1, rel=0.01)
