"""Made-up runs for testing the oracle: a history, and the observation that a faultless system would leave.

In the package, not in the tests: whoever checks the oracle against a new kind of fault begins here, with a run that is
right, and breaks one thing.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass

from loadtests.history import Attempt, Effect, History, Intent, Kind, Outcome, Result
from loadtests.jobs import StoredJob, state_of, with_job
from loadtests.observation import Account, Observation, StoredEffect

#: When made-up runs begin.
START = 1_800_000_000.0
#: After which the generator takes a request for unanswered.
GIVEN_UP_SECONDS = 10.0
#: The far side of every effect.
_CLEARING = "clearing:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of a made-up run, and whether its events took effect."""

    outcome: Outcome = Outcome.ACCEPTED
    events: int = 1
    ran: bool = True
    dead_lettered: bool = False


def make_run(requests: Sequence[Request], *, users: int = 3, earlier: int = 5) -> tuple[History, Observation]:
    """A history, and what a system leaves that did with each request what it says and nothing else.

    Args:
        requests: one request every 100 ms, answered in 20 ms, its events stored after 50 ms.
        users: events go to users in turn, with amounts 1, 2, 3, ...
        earlier: effects that each user had before the run.
    """
    attempts: list[Attempt] = []
    rows: list[StoredEffect] = []
    dead: dict[str, str] = {}
    number = 0
    for index, request in enumerate(requests):
        at = START + index * 0.1
        effects = []
        for _ in range(request.events):
            event_id = str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))
            effects.append(Effect(event_id, f"u{number % users}", number + 1, f"{number:016x}"))
            number += 1
        attempts.append(_attempt(index, request, at, tuple(effects)))
        for effect in effects:
            if request.dead_lettered:
                dead[effect.event_id] = "EventRejectedError"
            elif request.ran and request.outcome in {Outcome.ACCEPTED, Outcome.UNKNOWN}:
                rows.append(store(effect, at + 0.05))
    before = {f"u{user}": Account(earlier, 10 * earlier) for user in range(users)}
    before[_CLEARING] = Account(0, -10 * earlier * users)
    jobs = _jobs(attempts, ran={row.event_id for row in rows}, dead=dead)
    return History(attempts=tuple(attempts)), Observation(
        effects=tuple(rows),
        inbox=frozenset(row.event_id for row in rows),
        dead_letters=dead,
        jobs=jobs,
        job_answers={job_id: job.state for job_id, job in jobs.items()},
        accounts_before=before,
        accounts_after=_after(before, rows),
    )


def store(effect: Effect, stored_at: float) -> StoredEffect:
    """The row that a faultless system makes of an event."""
    return StoredEffect(effect.event_id, effect.user_id, effect.amount, stored_at, effect.digest or "")


def _jobs(attempts: Sequence[Attempt], *, ran: Container[str], dead: Container[str]) -> dict[str, StoredJob]:
    jobs = {}
    for attempt in with_job(History(attempts=tuple(attempts))):
        ids = frozenset(effect.event_id for effect in attempt.intent.effects)
        state = state_of(events=len(ids), executed=sum(one in ran for one in ids), dead=sum(one in dead for one in ids))
        jobs[str(attempt.result.job_id)] = StoredJob(ids, state)
    return jobs


def _attempt(index: int, request: Request, at: float, effects: tuple[Effect, ...]) -> Attempt:
    sent = request.outcome is not Outcome.NOT_SENT
    answered = request.outcome in {Outcome.ACCEPTED, Outcome.REFUSED}
    status = {Outcome.ACCEPTED: 202, Outcome.REFUSED: 422}.get(request.outcome)
    kind = Kind.SINGLE if request.events == 1 else Kind.LIST
    return Attempt(
        intent=Intent(request_id=f"r-{index}", kind=kind, intended_at=at, effects=effects),
        result=Result(
            request_id=f"r-{index}",
            outcome=request.outcome,
            sent_at=at + 0.001 if sent else None,
            returned_at=at + (0.02 if answered else GIVEN_UP_SECONDS) if sent else None,
            status=status,
            job_id=f"job-{index}" if request.outcome is Outcome.ACCEPTED else None,
        ),
    )


def _after(before: dict[str, Account], rows: Sequence[StoredEffect]) -> dict[str, Account]:
    counts = Counter(row.user_id for row in rows)
    amounts: Counter[str] = Counter()
    for row in rows:
        amounts[row.user_id] += row.amount
    after = {
        name: Account(account.event_count + counts[name], account.balance + amounts[name])
        for name, account in before.items()
    }
    after[_CLEARING] = Account(0, before[_CLEARING].balance - sum(amounts.values()))
    return after
