"""A job's state, as a table of what was recorded and what is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.storage.job_state import DeadLetterOfJob, Failure, JobRecords, JobState, derive

NOW = datetime(2026, 1, 1, tzinfo=UTC)
A, B, C = (UUID(int=number) for number in (1, 2, 3))


def failure(after_seconds: int = 1) -> Failure:
    """Something went wrong, so many seconds after the start."""
    at = NOW + timedelta(seconds=after_seconds)
    return Failure(reason="failed", exception_type="ValueError", message="no", at=at)


def letter(state: str, *event_ids: UUID, after_seconds: int = 5) -> DeadLetterOfJob:
    """A dead letter that carries these events."""
    return DeadLetterOfJob(state=state, event_ids=event_ids, attempts=6, failure=failure(after_seconds))


def event(**records: object) -> JobRecords:
    """A job of one event."""
    return JobRecords(kind="event", event_ids=[A], accepted_at=NOW, **records)  # type: ignore[arg-type]


def many(**records: object) -> JobRecords:
    """A job of three events."""
    return JobRecords(kind="list", event_ids=[A, B, C], accepted_at=NOW, **records)  # type: ignore[arg-type]


TABLE: list[tuple[JobRecords, JobState]] = [
    (event(unpublished_messages=1), JobState.ACCEPTED),
    (event(), JobState.QUEUED),
    (event(last_failure=failure()), JobState.RETRYING),
    (event(executed_ids=[A]), JobState.SUCCEEDED),
    (event(executed_ids=[A], last_failure=failure()), JobState.SUCCEEDED),
    (event(executed_ids=[A], unpublished_messages=1), JobState.SUCCEEDED),
    (event(dead_letters=[letter("dead", A)]), JobState.DEAD_LETTERED),
    (event(dead_letters=[letter("dead")]), JobState.DEAD_LETTERED),
    (event(dead_letters=[letter("discarded", A)]), JobState.DISCARDED),
    (event(dead_letters=[letter("replayed", A)]), JobState.RETRYING),
    (event(dead_letters=[letter("replayed", A)], executed_ids=[A]), JobState.SUCCEEDED),
    (event(dead_letters=[letter("replayed", A), letter("dead", A)]), JobState.DEAD_LETTERED),
    (event(dead_letters=[letter("dead", A), letter("discarded", A)]), JobState.DEAD_LETTERED),
    (many(unpublished_messages=1), JobState.ACCEPTED),
    (many(executed_ids=[A], unpublished_messages=1), JobState.RUNNING),
    (many(executed_ids=[A, B]), JobState.RUNNING),
    (many(executed_ids=[A], last_failure=failure()), JobState.RETRYING),
    (many(executed_ids=[A, B, C]), JobState.SUCCEEDED),
    (many(executed_ids=[A, B], dead_letters=[letter("dead", C)]), JobState.PARTIALLY_FAILED),
    (many(executed_ids=[A, B], dead_letters=[letter("discarded", C)]), JobState.PARTIALLY_FAILED),
    (many(dead_letters=[letter("dead", A), letter("discarded", B, C)]), JobState.DEAD_LETTERED),
    (many(dead_letters=[letter("discarded", A, B, C)]), JobState.DISCARDED),
]


@pytest.mark.parametrize(("records", "state"), TABLE)
def test_states(records: JobRecords, state: JobState) -> None:
    """Each combination of records has one state; and each event counts once, whatever was recorded twice."""
    status = derive(records)

    assert status.state == state
    assert status.executed + status.dead_lettered + status.discarded + status.waiting == status.events


def test_a_job_is_finished_with_its_last_event() -> None:
    """Not while one waits; and a dead letter ends it as well as an effect."""
    executed = {"first_executed_at": NOW, "last_executed_at": NOW + timedelta(seconds=2)}

    assert derive(many(executed_ids=[A], **executed)).finished_at is None
    assert derive(many(executed_ids=[A, B, C], **executed)).finished_at == NOW + timedelta(seconds=2)
    dead = derive(many(executed_ids=[A, B], dead_letters=[letter("dead", C, after_seconds=9)], **executed))
    assert dead.finished_at == NOW + timedelta(seconds=9)


def test_the_newest_error_is_told() -> None:
    """Whether it stands with the failures or with the dead letter."""
    status = derive(event(last_failure=failure(3), dead_letters=[letter("dead", A, after_seconds=4)]))

    assert status.last_error is not None
    assert status.last_error.at == NOW + timedelta(seconds=4)
    assert status.attempts == 6


def test_a_repeated_id_counts_once() -> None:
    """An event id that stands twice in a job's row is one event."""
    status = derive(JobRecords(kind="list", event_ids=[A, A], accepted_at=NOW, executed_ids=[A]))

    assert (status.state, status.events) == (JobState.SUCCEEDED, 1)
