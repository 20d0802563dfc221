"""Compares each accepted request's job, as its owner is told of it, with what the events of the request did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from loadtests.history import CUT_OFF, STATUS_ACCEPTED, Attempt, History, Outcome


class JobState(StrEnum):
    """A job's state, as far as it matters once everything is drained."""

    WAITING = "waiting"  # accepted, queued, running, retrying or revoking
    SUCCEEDED = "succeeded"
    PARTIALLY_FAILED = "partially_failed"
    DEAD_LETTERED = "dead_lettered"
    DISCARDED = "discarded"
    REVOKED = "revoked"  # no load revokes jobs or sets an expiry, so this and `expired` are always wrong
    EXPIRED = "expired"
    UNTOLD = "untold"  # the gateway did not say


@dataclass(frozen=True, slots=True)
class StoredJob:
    """One row of `jobs`, and the state that follows from the tables."""

    event_ids: frozenset[str]
    state: JobState


@dataclass(frozen=True, slots=True)
class JobFaults:
    """Ids of jobs (of requests, where there is no job)."""

    #: No row, or one that names other events.
    missing: tuple[str, ...]
    #: The tables or the gateway's answer say another state than the events.
    wrong: tuple[str, ...]


def state_of(*, events: int, executed: int, dead: int, discarded: int = 0) -> JobState:
    """The state of a job of which so many events ended so; said again here, as `user_of` is in `source.py`."""
    if executed + dead + discarded < events:
        return JobState.WAITING
    if executed == events:
        return JobState.SUCCEEDED
    if executed:
        return JobState.PARTIALLY_FAILED
    return JobState.DEAD_LETTERED if dead else JobState.DISCARDED


def with_job(history: History) -> Iterator[Attempt]:
    """The attempts that must have a job: the gateway itself said 202, and the way here kept what it named."""
    return (
        attempt
        for attempt in history.with_outcome(Outcome.ACCEPTED)
        if attempt.result.status == STATUS_ACCEPTED and attempt.result.error != CUT_OFF
    )


def compare(
    history: History,
    stored: Mapping[str, StoredJob],
    answers: Mapping[str, JobState],
    *,
    executed: Callable[[str], bool],
    dead: Callable[[str], bool],
) -> JobFaults:
    """Hold each job against its request; `executed` and `dead` say what became of an event."""
    missing: list[str] = []
    wrong: list[str] = []
    for attempt in with_job(history):
        job_id = attempt.result.job_id
        ids = [effect.event_id for effect in attempt.intent.effects]
        row = stored.get(job_id) if job_id else None
        if job_id is None or row is None or row.event_ids != set(ids):
            missing.append(job_id or attempt.intent.request_id)
            continue
        done = sum(map(executed, ids))
        expected = state_of(
            events=len(ids), executed=done, dead=sum(dead(event_id) and not executed(event_id) for event_id in ids)
        )
        if not row.state == answers.get(job_id, expected) == expected:
            wrong.append(job_id)
    return JobFaults(tuple(missing), tuple(wrong))
