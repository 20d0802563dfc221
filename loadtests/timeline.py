"""The run over time: rates per second, the longest stall, and how long the system took to recover from the fault."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from itertools import groupby

from loadtests.history import History, Kind, Outcome
from loadtests.observation import Observation

#: How finely recovery is looked for, and for how long it must hold: one good sample between two bad ones is none.
_STEP_SECONDS = 0.25
_HOLD_SECONDS = 5.0
#: What of the time before the fault counts as normal.
_BASELINE_SECONDS = 15.0
#: Waiting for less than this is never a fault: it is the bound of promise P4.
_NORMAL_WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Events per second since the start; the lists are equally long."""

    intended: tuple[int, ...]
    accepted: tuple[int, ...]
    executed: tuple[int, ...]
    #: Of `executed`, what was sent in lists.
    executed_of_lists: tuple[int, ...]
    #: Accepted and not yet executed, at the end of each second.
    pending: tuple[int, ...]
    #: Of the events that were executed in this second, from the intended send to the effect; 0 if there were none.
    p99_milliseconds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stall:
    """The longest time without an effect while accepted work waited. `began_after` is in seconds since the start."""

    seconds: float
    began_after: float


@dataclass(frozen=True, slots=True)
class Passage:
    """One accepted event's way: Unix times."""

    accepted_at: float
    stored_at: float
    intended_at: float
    in_list: bool = False


def passages(history: History, seen: Observation) -> list[Passage]:
    """Accepted events that were executed, in the order of their effects.

    An effect may be stored before the gateway's answer arrives: such an event waited for nothing.
    """
    stored_at: dict[str, float] = {}
    for row in seen.effects:
        stored_at[row.event_id] = min(row.stored_at, stored_at.get(row.event_id, row.stored_at))
    ways = [
        Passage(
            min(attempt.result.returned_at or 0.0, stored),
            stored,
            attempt.intent.intended_at,
            in_list=attempt.intent.kind is Kind.LIST,
        )
        for attempt in history.with_outcome(Outcome.ACCEPTED)
        for effect in attempt.intent.effects
        if (stored := stored_at.get(effect.event_id)) is not None
    ]
    return sorted(ways, key=lambda way: way.stored_at)


def draw(history: History, ways: list[Passage], started_at: float) -> Timeline:
    """Rates per second."""
    intended: Counter[int] = Counter()
    accepted: Counter[int] = Counter()
    for attempt in history.attempts:
        intended[math.floor(attempt.intent.intended_at - started_at)] += len(attempt.intent.effects)
        if attempt.outcome is Outcome.ACCEPTED and attempt.result.returned_at is not None:
            accepted[math.floor(attempt.result.returned_at - started_at)] += len(attempt.intent.effects)
    executed = Counter(math.floor(way.stored_at - started_at) for way in ways)
    of_lists = Counter(math.floor(way.stored_at - started_at) for way in ways if way.in_list)
    seconds = range(max((*intended, *accepted, *executed), default=-1) + 1)
    pending: list[int] = []
    for second in seconds:
        pending.append((pending[-1] if pending else 0) + accepted[second] - executed[second])
    return Timeline(
        intended=tuple(intended[second] for second in seconds),
        accepted=tuple(accepted[second] for second in seconds),
        executed=tuple(executed[second] for second in seconds),
        executed_of_lists=tuple(of_lists[second] for second in seconds),
        pending=tuple(max(0, count) for count in pending),
        p99_milliseconds=_p99_milliseconds(ways, started_at, len(seconds)),
    )


def _p99_milliseconds(ways: list[Passage], started_at: float, seconds: int) -> tuple[int, ...]:
    found = [0] * seconds
    for second, ended in groupby(ways, key=lambda way: math.floor(way.stored_at - started_at)):
        waits = sorted(way.stored_at - way.intended_at for way in ended)
        if 0 <= second < seconds:
            found[second] = max(0, round(1000 * waits[math.ceil(0.99 * len(waits)) - 1]))
    return tuple(found)


def executed_a_second(executed: int, timeline: Timeline) -> float:
    """From the first effect to the last one."""
    seconds = [second for second, count in enumerate(timeline.executed) if count]
    return round(executed / (seconds[-1] - seconds[0] + 1), 1) if seconds else 0.0


def longest_stall(ways: list[Passage], started_at: float) -> Stall:
    """The longest gap between two effects in which accepted work waited all the time.

    Between two effects the waiting work can only grow, so within a gap it waited from the acceptance of the oldest
    event that the gap left waiting.
    """
    longest = Stall(0.0, 0.0)
    if not ways:
        return longest
    oldest_from = _oldest_from(ways)
    previous = -math.inf
    for way, oldest in zip(ways, oldest_from, strict=True):
        began = max(previous, oldest)
        if way.stored_at - began > longest.seconds:
            longest = Stall(way.stored_at - began, began - started_at)
        previous = way.stored_at
    return longest


def recovery_seconds(ways: list[Passage], *, started_at: float, injected_at: float) -> float | None:
    """From the fault to the first moment from which nothing waits longer than before it, for five seconds on end.

    Longer than before: more than a second, and more than half again the longest wait of the 15 s before the fault. One
    stuck event is enough: a user waits for it, whatever the rate says. None: it did not recover while it was watched.
    """
    if not ways:
        return None
    stored = [way.stored_at for way in ways]
    oldest_from = [*_oldest_from(ways), math.inf]

    def longest_wait(moment: float) -> float:
        return max(0.0, moment - oldest_from[bisect_right(stored, moment)])

    def steps(begin: float, end: float) -> list[float]:
        return [begin + _STEP_SECONDS * step for step in range(max(0, math.ceil((end - begin) / _STEP_SECONDS)))]

    before = steps(max(started_at, injected_at - _BASELINE_SECONDS), injected_at)
    allowed = max(_NORMAL_WAIT_SECONDS, 1.5 * max(map(longest_wait, before), default=0.0))
    good_since: float | None = None
    for moment in steps(injected_at, max(stored[-1], injected_at) + 2 * _HOLD_SECONDS):
        if longest_wait(moment) > allowed:
            good_since = None
        elif good_since is None:
            good_since = moment
        elif moment - good_since >= _HOLD_SECONDS:
            return good_since - injected_at
    return None


def _oldest_from(ways: list[Passage]) -> list[float]:
    """For each effect in order, the acceptance of the oldest event that is stored with it or later."""
    oldest = math.inf
    found: list[float] = []
    for way in reversed(ways):
        oldest = min(oldest, way.accepted_at)
        found.append(oldest)
    return found[::-1]
