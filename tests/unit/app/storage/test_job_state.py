"""A job's state, as a table of what was recorded and what is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.storage.job_state import DeadLetterOfJob, Failure, JobRecords, JobState, derive

NOW = datetime(2026, 1, 1, tzinfo=UTC)
A, B, C = "a", "b", "c"


def failure(after_seconds: int = 1) -> Failure:
    """Something went wrong, so many seconds after the start."""
    at = NOW + timedelta(seconds=after_seconds)
    return Failure(reason="failed", exception_type="ValueError", message="no", at=at)


def letter(state: str, *keys: str, after_seconds: int = 5, reason: str = "failed") -> DeadLetterOfJob:
    """A dead letter that carries these items."""
    died = replace(failure(after_seconds), reason=reason)
    return DeadLetterOfJob(state=state, keys=keys, attempts=6, failure=died)


def one(**records: object) -> JobRecords:
    """A job of one item."""
    return JobRecords(keys=[A], accepted_at=NOW, **records)  # type: ignore[arg-type]


def many(**records: object) -> JobRecords:
    """A job of three items."""
    return JobRecords(keys=[A, B, C], accepted_at=NOW, **records)  # type: ignore[arg-type]


TABLE: list[tuple[JobRecords, JobState]] = [
    (one(unpublished_messages=1), JobState.ACCEPTED),
    (one(), JobState.QUEUED),
    (one(last_failure=failure()), JobState.RETRYING),
    (one(executed_keys=[A]), JobState.SUCCEEDED),
    (one(executed_keys=[A], last_failure=failure()), JobState.SUCCEEDED),
    (one(executed_keys=[A], unpublished_messages=1), JobState.SUCCEEDED),
    (one(dead_letters=[letter("dead", A)]), JobState.DEAD_LETTERED),
    (one(dead_letters=[letter("dead")]), JobState.DEAD_LETTERED),
    (one(dead_letters=[letter("discarded", A)]), JobState.DISCARDED),
    (one(dead_letters=[letter("replayed", A)]), JobState.RETRYING),
    (one(dead_letters=[letter("replayed", A)], executed_keys=[A]), JobState.SUCCEEDED),
    (one(dead_letters=[letter("replayed", A), letter("dead", A)]), JobState.DEAD_LETTERED),
    (one(dead_letters=[letter("dead", A), letter("discarded", A)]), JobState.DEAD_LETTERED),
    (many(unpublished_messages=1), JobState.ACCEPTED),
    (many(executed_keys=[A], unpublished_messages=1), JobState.RUNNING),
    (many(executed_keys=[A, B]), JobState.RUNNING),
    (many(executed_keys=[A], last_failure=failure()), JobState.RETRYING),
    (many(executed_keys=[A, B, C]), JobState.SUCCEEDED),
    (many(executed_keys=[A, B], dead_letters=[letter("dead", C)]), JobState.PARTIALLY_FAILED),
    (many(executed_keys=[A, B], dead_letters=[letter("discarded", C)]), JobState.PARTIALLY_FAILED),
    (many(dead_letters=[letter("dead", A), letter("discarded", B, C)]), JobState.DEAD_LETTERED),
    (many(dead_letters=[letter("discarded", A, B, C)]), JobState.DISCARDED),
    (one(revoked_at=NOW, unpublished_messages=1), JobState.REVOKING),
    (one(revoked_at=NOW, last_failure=failure()), JobState.REVOKING),
    (many(revoked_at=NOW, executed_keys=[A], revoked_keys=[B]), JobState.REVOKING),
    (one(revoked_at=NOW, revoked_keys=[A]), JobState.REVOKED),
    (one(revoked_at=NOW, executed_keys=[A]), JobState.SUCCEEDED),
    (one(revoked_at=NOW, dead_letters=[letter("dead", A)]), JobState.DEAD_LETTERED),
    (many(revoked_at=NOW, executed_keys=[A], revoked_keys=[B, C]), JobState.REVOKED),
    (many(revoked_at=NOW, expired_keys=[A], revoked_keys=[B, C]), JobState.REVOKED),
    (many(revoked_at=NOW, dead_letters=[letter("dead", A)], revoked_keys=[B, C]), JobState.DEAD_LETTERED),
    (
        many(revoked_at=NOW, executed_keys=[A], dead_letters=[letter("dead", B)], revoked_keys=[C]),
        JobState.PARTIALLY_FAILED,
    ),
    (many(expired_keys=[A]), JobState.RUNNING),
    (many(dead_letters=[letter("dead", A, reason="expired")]), JobState.RUNNING),
    (one(expired_keys=[A]), JobState.EXPIRED),
    (many(executed_keys=[A], expired_keys=[B, C]), JobState.EXPIRED),
    (one(dead_letters=[letter("dead", A, reason="expired")]), JobState.EXPIRED),
    (one(dead_letters=[letter("dead", reason="expired")]), JobState.EXPIRED),
    (one(dead_letters=[letter("discarded", A, reason="expired")]), JobState.DISCARDED),
    (one(dead_letters=[letter("replayed", A, reason="expired")], executed_keys=[A]), JobState.SUCCEEDED),
]


@pytest.mark.parametrize(("records", "state"), TABLE)
def test_states(records: JobRecords, state: JobState) -> None:
    """Each combination of records has one state; and each item counts once, whatever was recorded twice."""
    status = derive(records)

    assert status.state == state
    ended = status.executed + status.dead_lettered + status.discarded + status.revoked + status.expired
    assert ended + status.waiting == status.items


def test_a_job_is_finished_with_its_last_item() -> None:
    """Not while one waits; and a dead letter ends it as well as an effect."""
    executed = {"first_executed_at": NOW, "last_executed_at": NOW + timedelta(seconds=2)}

    assert derive(many(executed_keys=[A], **executed)).finished_at is None
    assert derive(many(executed_keys=[A, B, C], **executed)).finished_at == NOW + timedelta(seconds=2)
    dead = derive(many(executed_keys=[A, B], dead_letters=[letter("dead", C, after_seconds=9)], **executed))
    assert dead.finished_at == NOW + timedelta(seconds=9)
    dropped = derive(many(executed_keys=[A], revoked_keys=[B, C], last_dropped_at=NOW + timedelta(seconds=7)))
    assert dropped.finished_at == NOW + timedelta(seconds=7)


def test_the_newest_error_is_told() -> None:
    """Whether it stands with the failures or with the dead letter."""
    status = derive(one(last_failure=failure(3), dead_letters=[letter("dead", A, after_seconds=4)]))

    assert status.last_error is not None
    assert status.last_error.at == NOW + timedelta(seconds=4)
    assert status.attempts == 6


def test_a_repeated_key_counts_once() -> None:
    """A key that stands twice in a job's row is one item."""
    status = derive(JobRecords(keys=[A, A], accepted_at=NOW, executed_keys=[A]))

    assert (status.state, status.items) == (JobState.SUCCEEDED, 1)
