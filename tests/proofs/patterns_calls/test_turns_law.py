"""The law of promised turns, on a real Redis whose clock the test sets: how fast a machine is changes nothing here.

Hypothesis draws when tasks come, how late they come back, how long their calls travel, and which lose their worker.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from app.patterns import rate_limit
from app.patterns.rate_limit import HORIZON_SECONDS, LATENESS_SECONDS, PATIENCE_SECONDS, TRANSIT_SECONDS
from loadtests.mix.limited_calls import fullest
from tests.harness.stack import Stack

CALLS, SECONDS = 5, 12.0
_SCRIPT = Path(rate_limit.__file__).with_name("rate_limit.lua").read_text()
_REDIS_CLOCK = "redis.call('TIME')"
#: Planted bugs: what the script says, and what it says instead.
_NO_ROOM_FOR_LATENESS = ("+ window + transit + lateness", "+ window + transit")
_NO_PROMISE = ("redis.call('ZADD', promised, at, caller)", "local unused = at")
_NO_TRANSIT = ("base + window + transit end", "base + window end")


@dataclass(frozen=True)
class Visitor:
    """A task: when it comes; how late it comes back and how long its call travels, of the most that is allowed."""

    comes_at: float
    lateness: float
    transit: float
    #: Its worker dies after the call; the message is delivered again at once.
    dies: bool


_SHARE = st.floats(0, 1)
_VISITOR = st.builds(
    Visitor, comes_at=st.floats(0, 40), lateness=_SHARE, transit=_SHARE, dies=st.sampled_from([False] * 4 + [True])
)
_VISITORS = st.lists(_VISITOR, min_size=2 * CALLS, max_size=5 * CALLS)


def _ran(stack: Stack, visitors: Sequence[Visitor], source: str) -> tuple[list[float], Counter[tuple[int, bool]]]:
    """When the calls arrive, sorted; and how often each task was sent back, before its call and after its death."""
    assert source.count(_REDIS_CLOCK) == 1, "the script reads the clock elsewhere, too"
    arrivals, parks = [], Counter[tuple[int, bool]]()
    name = f"limit:{{{uuid4().hex}}}"
    keys = [f"{name}:{what}" for what in ("taken", "promised", "leases", "marks")]
    numbers = (SECONDS, TRANSIT_SECONDS, LATENESS_SECONDS, HORIZON_SECONDS, PATIENCE_SECONDS)
    micro = [round(number * 1e6) for number in numbers]
    visits = [(1e9 + visitor.comes_at, number, False) for number, visitor in enumerate(visitors)]
    heapq.heapify(visits)
    with stack.redis() as session:
        take = session.register_script(source.replace(_REDIS_CLOCK, "{0, tonumber(ARGV[11])}"))
        while visits:
            now, number, again = heapq.heappop(visits)
            visitor = visitors[number]
            wait = take(keys, [number, uuid4().hex, CALLS, *micro, 0, 0, round(now * 1e6)])
            if wait:
                parks[number, again] += 1
                heapq.heappush(visits, (now + wait / 1e6 + visitor.lateness * LATENESS_SECONDS, number, again))
                continue
            arrivals.append(now + visitor.transit * TRANSIT_SECONDS)
            if visitor.dies and not again:
                heapq.heappush(visits, (now, number, True))
    return sorted(arrivals), parks


def _law(stack: Stack, source: str, examples: int) -> None:
    @settings(
        max_examples=examples, derandomize=True, deadline=None, database=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(visitors=_VISITORS)
    def holds(visitors: list[Visitor]) -> None:
        arrivals, parks = _ran(stack, visitors, source)
        assert len(arrivals) == len(visitors) + sum(visitor.dies for visitor in visitors), "a task never had its turn"
        assert fullest(arrivals, SECONDS) <= CALLS, "a period held more calls than the limit"
        assert max(parks.values(), default=0) <= 1, "a task came at its promised turn and was sent back"

    holds()


def test_never_too_many_and_each_task_waits_once(stack: Stack) -> None:
    """No period holds more calls than the limit, and a task that comes as promised has its turn."""
    _law(stack, _SCRIPT, examples=60)


@pytest.mark.parametrize(
    ("bug", "found"),
    [
        (_NO_ROOM_FOR_LATENESS, "sent back"),
        (_NO_PROMISE, "sent back"),
        (_NO_TRANSIT, "more calls than the limit"),
    ],
)
def test_the_law_finds(bug: tuple[str, str], found: str, stack: Stack) -> None:
    """The law finds each of these planted bugs."""
    says, instead = bug
    assert says in _SCRIPT
    with pytest.raises(AssertionError, match=found):
        _law(stack, _SCRIPT.replace(says, instead), examples=60)


def test_the_limit_is_used_up(stack: Stack) -> None:
    """Of tasks that come at once and are never late, each period sees as many calls as are allowed, and no pause more.

    Those of the third period follow promised turns, which may be taken late.
    """
    visitors = [Visitor(comes_at=0, lateness=0, transit=0, dies=False)] * (3 * CALLS)
    arrivals, _ = _ran(stack, visitors, _SCRIPT)
    period = SECONDS + TRANSIT_SECONDS
    expected = [1e9 + begins for begins in (0, period, 2 * period + LATENESS_SECONDS) for _ in range(CALLS)]
    assert arrivals == pytest.approx(expected, rel=0, abs=0.001)
