"""One load with many faults: which requests belong to the time of which fault, and what became of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from loadtests.history import Attempt, History, Outcome
from loadtests.observation import Observation

#: What belongs to no window.
BETWEEN = "between the faults"


@dataclass(slots=True)
class Window:
    """The time of a fault, Unix seconds; it ends with the first work that was done after it."""

    name: str
    began_at: float
    ended_at: float = math.inf

    def holds(self, attempt: Attempt) -> bool:
        """Whether the request was under way at some moment of it."""
        sent_at = attempt.result.sent_at or attempt.intent.intended_at
        return sent_at <= self.ended_at and (attempt.result.returned_at or sent_at) >= self.began_at


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowAccount:
    """Counts of requests by their outcome, and of the events of the accepted ones by what became of them."""

    name: str
    seconds: float
    requests: Counter[Outcome]
    accepted: int
    executed: int
    dead_lettered: int
    lost: int
    #: Events of requests without an answer that ran.
    unknown_executed: int
    #: Also of requests without an answer, which may run once or never.
    duplicated: int

    @property
    def failed(self) -> int:
        """Requests that were not answered with 202."""
        return self.requests.total() - self.requests[Outcome.ACCEPTED]


def accounts_of(history: History, seen: Observation, windows: Sequence[Window]) -> list[WindowAccount]:
    """An account of each window, and one of the requests that belong to none."""
    rows = Counter(effect.event_id for effect in seen.effects)
    calm = [attempt for attempt in history.attempts if not any(window.holds(attempt) for window in windows)]
    return [
        *(
            _account(window.name, window.ended_at - window.began_at, filter(window.holds, history.attempts), rows, seen)
            for window in windows
        ),
        _account(BETWEEN, math.nan, calm, rows, seen),
    ]


def _account(name: str, seconds: float, of: Iterable[Attempt], rows: Counter[str], seen: Observation) -> WindowAccount:
    attempts = list(of)
    accepted, unknown = (_events(attempts, outcome) for outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN))
    executed = accepted & rows.keys()
    dead = (accepted & seen.dead_letters.keys()) - executed
    return WindowAccount(
        name=name,
        seconds=seconds,
        requests=Counter(attempt.outcome for attempt in attempts),
        accepted=len(accepted),
        executed=len(executed),
        dead_lettered=len(dead),
        lost=len(accepted - executed - dead),
        unknown_executed=len(unknown & rows.keys()),
        duplicated=sum(max(0, rows[effect.event_id] - 1) for attempt in attempts for effect in attempt.intent.effects),
    )


def _events(attempts: Iterable[Attempt], outcome: Outcome) -> set[str]:
    return {effect.event_id for each in attempts if each.outcome is outcome for effect in each.intent.effects}


def table(accounts: Collection[WindowAccount]) -> str:
    """For people: one line a window."""
    columns = ("s", "202", "refused", "unknown", "accepted", "executed", "dead", "lost", "twice")
    width = max(len(account.name) for account in accounts)
    lines = [" ".join(["window".ljust(width), *(column.rjust(8) for column in columns)])]
    for each in accounts:
        counts = (
            f"{each.seconds:.0f}",
            *(each.requests[outcome] for outcome in (Outcome.ACCEPTED, Outcome.REFUSED, Outcome.UNKNOWN)),
            *(each.accepted, each.executed, each.dead_lettered, each.lost, each.duplicated),
        )
        lines.append(" ".join([each.name.ljust(width), *(str(count).rjust(8) for count in counts)]))
    return "\n".join(lines)
