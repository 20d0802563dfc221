"""A good run as the verdict judges it, and ways to change one thing in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from loadtests.fault import Fault
from loadtests.history import Attempt, Effect, History, Outcome, Result
from loadtests.jobs import JobState
from loadtests.latency import measure
from loadtests.observation import Account, Observation
from loadtests.reconcile import reconcile
from loadtests.synthetic import START, Request, make_run, store
from loadtests.verdict import MAX_REQUEST_SECONDS, MIN_ACCEPTED, Check, Conduct, Verdict, decide, judge
from tests.unit.loadtests.mix.good_patterns import found

FAULT = Fault(injected_at=100.0, confirmed_at=101.0, cleared_at=132.0, recovered_at=150.0)
CONDUCT = Conduct(fault_wanted=True, fault=FAULT, drained=True, clock_offset_seconds=0.0, mixed=found())
SINGLES = 600
#: The list comes last but two, then an unknown list that ran and a request that was refused.
REQUESTS = (
    *[Request() for _ in range(SINGLES)],
    Request(events=4),
    Request(outcome=Outcome.UNKNOWN, events=3),
    Request(outcome=Outcome.REFUSED),
)


@dataclass(frozen=True)
class Run:
    """A run, as it is judged."""

    history: History
    seen: Observation
    conduct: Conduct = CONDUCT

    @cached_property
    def checks(self) -> list[Check]:
        """All of them."""
        return judge(reconcile(self.history, self.seen), measure(self.history, self.seen), self.conduct)

    @property
    def red(self) -> list[str]:
        """The names of those that are not met."""
        return [check.name for check in self.checks if not check.ok]

    @property
    def verdict(self) -> Verdict:
        """What comes of it."""
        return decide(self.checks)

    def saw(self, **changes: object) -> Run:
        """The run with another observation."""
        return replace(self, seen=replace(self.seen, **changes))  # type: ignore[arg-type]

    def went(self, **changes: object) -> Run:
        """The run, conducted otherwise."""
        return replace(self, conduct=replace(self.conduct, **changes))  # type: ignore[arg-type]

    def with_attempts(self, change: Callable[[int, Attempt], Attempt]) -> Run:
        """The run with other attempts, by their numbers."""
        attempts = tuple(change(number, attempt) for number, attempt in enumerate(self.history.attempts))
        return replace(self, history=History(attempts=attempts))

    def moved(self, user: str, *, count: int = 0, amount: int = 0, other_side: bool = True) -> Run:
        """The run with one account moved, against the clearing account."""
        after = dict(self.seen.accounts_after)
        account, clearing = after[user], after["clearing:00"]
        after[user] = Account(account.event_count + count, account.balance + amount)
        after["clearing:00"] = Account(0, clearing.balance - amount * other_side)
        return self.saw(accounts_after=after)

    def without(self, index: int) -> Run:
        """The run with one effect undone everywhere, as if it had never run; its job waits for ever."""
        row = self.seen.effects[index]
        job_id = next(name for name, job in self.seen.jobs.items() if row.event_id in job.event_ids)
        return self.moved(row.user_id, count=-1, amount=-row.amount).saw(
            effects=self.seen.effects[:index] + self.seen.effects[index + 1 :],
            inbox=self.seen.inbox - {row.event_id},
            jobs={**self.seen.jobs, job_id: replace(self.seen.jobs[job_id], state=JobState.WAITING)},
            job_answers={**self.seen.job_answers, job_id: JobState.WAITING},
        )

    def executing(self, effect: Effect) -> Run:
        """The run with one more effect, done whole."""
        row = store(effect, START + 1)
        return self.moved(row.user_id, count=1, amount=row.amount).saw(
            effects=(*self.seen.effects, row), inbox=self.seen.inbox | {row.event_id}
        )


GOOD = Run(*make_run(REQUESTS))
FIRST = GOOD.seen.effects[0]
LIST_JOB = f"job-{SINGLES}"


def refused_effect(run: Run) -> Effect:
    """An effect that must not be."""
    return next(iter(run.history.effects(Outcome.REFUSED)))


def first_row(run: Run, **changes: object) -> Run:
    """The run with its first effect stored otherwise."""
    return run.saw(effects=(replace(FIRST, **changes), *run.seen.effects[1:]))  # type: ignore[arg-type]


def job(run: Run, **changes: object) -> Run:
    """The run with another row for the list's job."""
    return run.saw(jobs={**run.seen.jobs, LIST_JOB: replace(run.seen.jobs[LIST_JOB], **changes)})  # type: ignore[arg-type]


def answered(outcome: Outcome, numbers: range) -> Callable[[int, Attempt], Attempt]:
    """Some requests were answered otherwise; what became of their events stays."""

    def change(number: int, attempt: Attempt) -> Attempt:
        result = replace(attempt.result, outcome=outcome, status=None, job_id=None)
        return replace(attempt, result=result) if number in numbers else attempt

    return change


def late(_: int, attempt: Attempt) -> Attempt:
    """It was sent 300 ms late."""
    sent_at = attempt.intent.intended_at + 0.3
    return replace(attempt, result=replace(attempt.result, sent_at=sent_at, returned_at=sent_at + 0.02))


def nameless(number: int, attempt: Attempt) -> Attempt:
    """The first answer named no job."""
    return replace(attempt, result=replace(attempt.result, job_id=None)) if number == 0 else attempt


def hung(number: int, attempt: Attempt) -> Attempt:
    """The first answer came a little too late."""
    if number:
        return attempt
    returned_at = (attempt.result.sent_at or 0.0) + MAX_REQUEST_SECONDS + 0.1
    return replace(attempt, result=replace(attempt.result, returned_at=returned_at))


def endless(number: int, attempt: Attempt) -> Attempt:
    """The first request was sent, and nobody knows its end."""
    return (
        replace(attempt, result=Result(request_id=attempt.intent.request_id, outcome=Outcome.UNKNOWN))
        if (number == 0)
        else attempt
    )


def mixed_otherwise(pattern: Any, finding: dict[str, Any]) -> Callable[[Run], Run]:
    """Something of one pattern was found otherwise."""
    return lambda run: run.went(mixed=found(pattern, **finding))


def torn(run: Run) -> Run:
    """One event of the unknown list did not run."""
    row = run.seen.effects[-1]
    return run.moved(row.user_id, count=-1, amount=-row.amount).saw(effects=run.seen.effects[:-1])


def smaller(run: Run) -> Run:
    """The same, with fewer requests."""
    return Run(*make_run([Request()] * (MIN_ACCEPTED - 1)), run.conduct)


def larger(run: Run, *more: Request) -> Run:
    """The same, with more requests."""
    return Run(*make_run([*REQUESTS, *more]), run.conduct)
