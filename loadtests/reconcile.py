"""The oracle: compares what was accepted with what was done. A pure function, set-based, linear in the events.

Two witnesses must agree. The rows of `events` have no unique key, so a doubled effect is a second row; and each effect
moves its user's account, so a doubled effect that left no row (or a row that moved no account) shows in the totals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from loadtests.history import Effect, History, Outcome
from loadtests.jobs import compare
from loadtests.observation import Observation, StoredEffect
from loadtests.totals import Totals, compare_totals

#: Offenders named in the verdict, per kind: enough to look at, not a second ledger.
OFFENDERS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """Counts of events, unless a name says requests. `accepted = executed + dead_lettered + lost`, always."""

    requests: Mapping[str, int]
    #: Events that the schedule held.
    planned: int
    accepted: int
    executed: int
    dead_lettered: int
    lost: int
    unknown: int
    unknown_executed: int
    #: Requests of which nobody knows an end: no answer, no error, and they were not given up.
    unended_requests: int
    #: From the send to the answer or the error.
    longest_request_seconds: float
    #: Unknown requests of which some events ran and others did not: a request runs whole or not at all.
    unknown_torn_requests: int
    duplicated_by_rows: int
    duplicated_by_totals: int
    #: Rows of events that nobody sent, or that never left the generator.
    unexpected: int
    #: Rows of events of which the gateway said that they were not accepted.
    refused_executed: int
    #: Rows whose user, amount, type, time or payload is not what was sent.
    altered: int
    without_inbox: int
    #: Events that have an effect and a dead letter that is still dead.
    executed_and_dead: int
    #: Jobs of accepted requests without a row, or with one that names other events.
    missing_jobs: int
    #: Jobs that the tables or the gateway call otherwise than their events are.
    wrong_job_states: int
    totals: Totals
    dead_letter_reasons: Mapping[str, int]
    offenders: Mapping[str, tuple[str, ...]]

    @property
    def duplicated_effects(self) -> int:
        """Effects beyond the first, as the stricter witness counts them."""
        return max(self.duplicated_by_rows, self.duplicated_by_totals)

    @property
    def failed_share(self) -> float:
        """Of the requests that were sent, those without a 202, whatever came instead."""
        sent = self.requests["planned"] - self.requests["not_sent"]
        return (sent - self.requests["accepted"]) / sent if sent else 0.0


def reconcile(history: History, seen: Observation) -> Accounting:
    """Account for every event of the history and for every effect that was seen."""
    accepted = _by_id(history.effects(Outcome.ACCEPTED))
    unknown = _by_id(history.effects(Outcome.UNKNOWN))
    may_run = accepted | unknown
    rows = Counter(effect.event_id for effect in seen.effects)
    executed = accepted.keys() & rows.keys()
    dead = (accepted.keys() & seen.dead_letters.keys()) - executed
    lost = accepted.keys() - executed - dead
    strangers = rows.keys() - may_run.keys()
    refused = strangers & _by_id(history.effects(Outcome.REFUSED)).keys()
    unexpected = strangers - refused
    if not seen.exclusive:
        unexpected &= _by_id(history.effects(Outcome.NOT_SENT)).keys()
    altered = [
        row.event_id
        for row in seen.effects
        if (sent := may_run.get(row.event_id)) is not None and not _as_sent(row, sent)
    ]
    doubled = [event_id for event_id in may_run.keys() & rows.keys() | unexpected | refused if rows[event_id] > 1]
    torn = [
        attempt.intent.request_id
        for attempt in history.with_outcome(Outcome.UNKNOWN)
        if 0 < sum(_accounted(effect, rows, seen) for effect in attempt.intent.effects) < len(attempt.intent.effects)
    ]
    unended, longest = _ends(history)
    without_inbox = (may_run.keys() & rows.keys()) - seen.inbox
    both = may_run.keys() & rows.keys() & seen.dead_letters.keys()
    jobs = compare(
        history, seen.jobs, seen.job_answers, executed=rows.__contains__, dead=seen.dead_letters.__contains__
    )
    totals, off_users = compare_totals(_ran(history, seen), seen)
    return Accounting(
        requests={"planned": len(history.attempts)}
        | {o.value: sum(1 for _ in history.with_outcome(o)) for o in Outcome},
        planned=sum(len(attempt.intent.effects) for attempt in history.attempts),
        accepted=len(accepted),
        executed=len(executed),
        dead_lettered=len(dead),
        lost=len(lost),
        unknown=len(unknown),
        unknown_executed=len(unknown.keys() & rows.keys()),
        unended_requests=len(unended),
        longest_request_seconds=round(longest, 3),
        unknown_torn_requests=len(torn),
        duplicated_by_rows=sum(rows[event_id] - 1 for event_id in doubled),
        duplicated_by_totals=totals.surplus,
        unexpected=sum(rows[event_id] for event_id in unexpected),
        refused_executed=sum(rows[event_id] for event_id in refused),
        altered=len(altered),
        without_inbox=len(without_inbox),
        executed_and_dead=len(both),
        missing_jobs=len(jobs.missing),
        wrong_job_states=len(jobs.wrong),
        totals=totals,
        dead_letter_reasons=Counter(seen.dead_letters[event_id] for event_id in dead),
        offenders={
            name: tuple(sorted(ids)[:OFFENDERS_SHOWN])
            for name, ids in {
                "lost": lost,
                "duplicated": doubled,
                "unexpected": unexpected,
                "refused_executed": refused,
                "altered": altered,
                "without_inbox": without_inbox,
                "executed_and_dead": both,
                "missing_jobs": jobs.missing,
                "wrong_job_states": jobs.wrong,
                "torn_requests": torn,
                "unended_requests": unended,
                "users_with_wrong_totals": off_users,
            }.items()
            if ids
        },
    )


def _ends(history: History) -> tuple[list[str], float]:
    """Requests without an end, and how long the longest of the others took."""
    unended: list[str] = []
    longest = 0.0
    for attempt in history.with_outcome(Outcome.ACCEPTED, Outcome.REFUSED, Outcome.UNKNOWN):
        sent_at, returned_at = attempt.result.sent_at, attempt.result.returned_at
        if sent_at is None or returned_at is None:
            unended.append(attempt.intent.request_id)
        else:
            longest = max(longest, returned_at - sent_at)
    return unended, longest


def _by_id(effects: Iterable[Effect]) -> dict[str, Effect]:
    return {effect.event_id: effect for effect in effects}


def _ran(history: History, seen: Observation) -> Iterable[Effect]:
    """Each event that has a row, once: as it was sent or, if nobody here sent it, as it is stored."""
    sent = _by_id(history.effects(*Outcome))
    return {
        row.event_id: sent.get(row.event_id, Effect(row.event_id, row.user_id, row.amount))
        for row in seen.effects
        if seen.exclusive or row.event_id in sent
    }.values()


def _as_sent(row: StoredEffect, sent: Effect) -> bool:
    return (row.user_id, row.amount) == (sent.user_id, sent.amount) and sent.digest in {None, row.digest}


def _accounted(effect: Effect, rows: Mapping[str, int], seen: Observation) -> bool:
    return effect.event_id in rows or effect.event_id in seen.dead_letters
