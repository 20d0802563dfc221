"""What a trial finds to be sustained, and which rate follows from it."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from loadtests.errors import TooSlowError
from loadtests.feed import Answer, Request, plan_requests
from loadtests.history import Kind
from loadtests.options import Options
from loadtests.schedule import Slot
from loadtests.source import GeneratedEvents
from loadtests.trial import _REFUSED_SECONDS, CLIENTS, LEAST_EVENTS_PER_SECOND, MOST_UNDER_WAY, Loop, rate_for


def loop(post: object, events: int = 10) -> Loop:
    """Clients of this gateway."""
    slots = itertools.repeat(Slot(0.0, Kind.LIST, events))
    return Loop(plan_requests(slots, GeneratedEvents(run="r"), run="r", started_at=0.0), post)  # type: ignore[arg-type]


def clock_that_waits_for(condition: Callable[[], bool]) -> Callable[[], float]:
    """Time that stands still until then, so that a slow machine has enough of it."""
    met_at: list[float] = []

    def clock() -> float:
        if not met_at and condition():
            met_at.append(time.monotonic())
        return time.monotonic() - met_at[0] if met_at else 0.0

    return clock


class Gateway:
    """Accepts everything, and executes it at once or never."""

    def __init__(self, *, executes: bool = True, status: int = 202) -> None:
        self.effects = 0
        self.requests = 0
        self._executes = executes
        self._status = status
        self._lock = threading.Lock()

    def post(self, request: Request) -> Answer:
        """Take a request."""
        with self._lock:
            self.requests += 1
            if self._executes and self._status == 202:
                self.effects += len(request.intent.effects)
        return Answer(status=self._status)


def test_effects_are_counted_not_answers() -> None:
    """The count is the database's, and equals what was accepted."""
    gateway = Gateway()
    tried = loop(gateway.post)

    begun = clock_that_waits_for(lambda: tried.accepted > 0)
    effects, seconds = tried.run(lambda: gateway.effects, seconds=0.2, clock=begun)

    assert effects == tried.accepted == gateway.effects > 0
    assert seconds >= 0.2


def test_a_stack_that_executes_nothing_is_not_flooded() -> None:
    """Clients pause when much is under way, and the effects that are missing are said."""
    gateway = Gateway(executes=False)
    tried = loop(gateway.post, events=100)

    full = clock_that_waits_for(lambda: tried.accepted >= MOST_UNDER_WAY)
    effects, _ = tried.run(lambda: gateway.effects, seconds=1.0, drain_seconds=0.1, clock=full)

    assert effects == 0
    assert MOST_UNDER_WAY <= tried.accepted < MOST_UNDER_WAY + CLIENTS * 100


def test_refusals_do_not_count_and_are_not_repeated_at_once() -> None:
    """A 503 is no throughput."""
    gateway = Gateway(status=503)
    tried = loop(gateway.post)

    effects, seconds = tried.run(lambda: gateway.effects, seconds=0.2)

    assert effects == tried.accepted == 0
    assert gateway.requests <= CLIENTS * (1 + seconds / _REFUSED_SECONDS)


def test_the_rate_is_a_share_and_has_a_top() -> None:
    """Neither more than the share nor more than was asked for."""
    assert rate_for(500.0, share=0.4, most=300.0) == 200.0
    assert rate_for(5_000.0, share=0.4, most=300.0) == 300.0


def test_a_machine_that_is_too_slow_says_both_numbers() -> None:
    """What it sustains, and what would be needed."""
    enough = LEAST_EVENTS_PER_SECOND / 0.4
    assert rate_for(enough, share=0.4, most=300.0) == LEAST_EVENTS_PER_SECOND
    with pytest.raises(TooSlowError, match=rf"sustains {enough - 1:.0f} events/s; .* at least {enough:.0f}"):
        rate_for(enough - 1, share=0.4, most=300.0)


def test_a_lower_rate_keeps_the_mix() -> None:
    """Half the events are half the singles and half the lists; the verdict says what the trial found."""
    most = Options(out=Path(), rate=300.0, singles=10.0, share=0.4)
    half = most.at(150.0, sustained=375.0)

    assert half.schedule.singles_per_second == pytest.approx(5.0)
    assert half.schedule.lists_per_second == pytest.approx(most.schedule.lists_per_second / 2)
    assert half.as_data()["sustained_events_per_second"] == 375.0
    assert half.as_data()["share"] == 0.4
