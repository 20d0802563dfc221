"""The generator's own record of a run: each request that it meant to send, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from app import contract

#: The gateway's answer when an event is committed.
STATUS_ACCEPTED = 202
#: The error of an answer that ended before it named a job. What it accepted must have its effect all the same.
CUT_OFF = "the answer was cut off after its head"


class Kind(StrEnum):
    """One event alone, or a list of them: they take different queues."""

    SINGLE = "single"
    LIST = "list"


class Outcome(StrEnum):
    """What the generator may conclude about one request."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # a 4xx, or a problem that says "nothing was accepted": it must never run
    UNKNOWN = "unknown"  # no answer, or another 5xx: it may run once, or never
    NOT_SENT = "not_sent"  # the generator gave it up: it must never run


def classify(status: int | None, problem: str | None = None) -> Outcome:
    """Judge one answer, by its status and the name of its problem.

    The gateway is held to its word: what it refused must never run. A 5xx without a word may come after the commit.
    """
    if status == STATUS_ACCEPTED:
        return Outcome.ACCEPTED
    if problem in contract.NOTHING_ACCEPTED or (status is not None and 400 <= status < 500):
        return Outcome.REFUSED
    return Outcome.UNKNOWN


@dataclass(frozen=True, slots=True)
class Effect:
    """What one event must do, once: add one and `amount` to its user's account, and be stored as it was sent."""

    event_id: str
    user_id: str
    amount: int
    #: Of type, time and payload (`digest.py`). None: whoever sent it does not say, and it is not compared.
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A request that the generator is about to send. Times are Unix seconds."""

    request_id: str
    kind: Kind
    intended_at: float
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of an intent."""

    request_id: str
    outcome: Outcome
    sent_at: float | None = None
    returned_at: float | None = None
    status: int | None = None
    #: The name of the gateway's problem: the last part of its `type`.
    problem: str | None = None
    job_id: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An intent with its result."""

    intent: Intent
    result: Result

    @property
    def outcome(self) -> Outcome:
        """What the generator may conclude."""
        return self.result.outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All attempts of a run."""

    attempts: tuple[Attempt, ...]

    def with_outcome(self, *outcomes: Outcome) -> Iterator[Attempt]:
        """The attempts that ended so."""
        return (attempt for attempt in self.attempts if attempt.outcome in outcomes)

    def effects(self, *outcomes: Outcome) -> Iterator[Effect]:
        """The effects of the attempts that ended so."""
        return (effect for attempt in self.with_outcome(*outcomes) for effect in attempt.intent.effects)
