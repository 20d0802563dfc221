"""What became of a job, worked out from what was recorded about it: nothing ever updates a job's own row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class JobState(StrEnum):
    """Where a job is. The last four are final, as long as nobody replays a dead letter."""

    ACCEPTED = "accepted"  # committed; the broker does not have it yet
    QUEUED = "queued"
    RUNNING = "running"  # some items are done
    RETRYING = "retrying"  # something failed and will be tried again
    SUCCEEDED = "succeeded"
    PARTIALLY_FAILED = "partially_failed"  # some items executed, the rest dead or discarded
    DEAD_LETTERED = "dead_lettered"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What went wrong, last."""

    reason: str
    exception_type: str | None
    message: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterOfJob:
    """A dead letter of the job; an undecodable message names no items."""

    state: str
    keys: Sequence[str]
    attempts: int
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecords:
    """Everything recorded about one job."""

    keys: Sequence[str]
    accepted_at: datetime
    unpublished_messages: int = 0
    executed_keys: Sequence[str] = ()
    executed_attempts: int = 0
    first_executed_at: datetime | None = None
    last_executed_at: datetime | None = None
    failed_attempts: int = 0
    last_attempt: int = 0
    last_failure: Failure | None = None
    dead_letters: Sequence[DeadLetterOfJob] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """A job's state, as its owner is told."""

    state: JobState
    items: int
    executed: int
    dead_lettered: int
    discarded: int
    waiting: int
    attempts: int
    failed_attempts: int
    first_executed_at: datetime | None
    finished_at: datetime | None
    last_error: Failure | None


def derive(records: JobRecords) -> JobStatus:
    """Work it out. What is executed is executed, whatever else is said of it: a dead letter may have been replayed."""
    everything = set(records.keys)
    executed = everything & set(records.executed_keys)
    dead = _items_in(records, "dead") - executed
    discarded = _items_in(records, "discarded") - executed - dead
    waiting = len(everything) - len(executed) - len(dead) - len(discarded)
    letters = [letter.failure for letter in records.dead_letters]
    errors = [*letters, *([records.last_failure] if records.last_failure else [])]
    ends = [letter.failure.at for letter in records.dead_letters if letter.state != "replayed"]
    if records.last_executed_at is not None:
        ends.append(records.last_executed_at)
    return JobStatus(
        state=_state(records, executed=len(executed), dead=len(dead), discarded=len(discarded), waiting=waiting),
        items=len(everything),
        executed=len(executed),
        dead_lettered=len(dead),
        discarded=len(discarded),
        waiting=waiting,
        attempts=max(
            records.executed_attempts,
            records.last_attempt,
            *(letter.attempts for letter in records.dead_letters),
            0,
        ),
        failed_attempts=records.failed_attempts,
        first_executed_at=records.first_executed_at,
        finished_at=max(ends) if not waiting and ends else None,
        last_error=max(errors, key=lambda failure: failure.at) if errors else None,
    )


def _items_in(records: JobRecords, state: str) -> set[str]:
    everything = set(records.keys)
    found: set[str] = set()
    for letter in records.dead_letters:
        if letter.state == state:
            # A message that nobody could read names no items; a job of one item has only one to lose.
            found |= everything if not letter.keys and len(everything) == 1 else set(letter.keys)
    return found & everything


def _state(records: JobRecords, *, executed: int, dead: int, discarded: int, waiting: int) -> JobState:
    if waiting:
        if records.last_failure is not None or records.dead_letters:
            return JobState.RETRYING
        if executed or dead or discarded:
            return JobState.RUNNING
        return JobState.ACCEPTED if records.unpublished_messages else JobState.QUEUED
    if not dead and not discarded:
        return JobState.SUCCEEDED
    if executed:
        return JobState.PARTIALLY_FAILED
    return JobState.DEAD_LETTERED if dead else JobState.DISCARDED


# The first messages of a job are made a moment after its id, so the range of ids finds them by the primary key; the
# outbox has no index on job_id, because no other question needs one.
JOB = """
    SELECT j.task_name, j.queue, j.keys, j.accepted_at, done.*, failed.*, last.*,
        (SELECT count(*) FROM outbox_pending p JOIN outbox o USING (message_id)
         WHERE p.message_id >= j.job_id AND p.message_id < cast(%(messages_before)s AS uuid) AND o.job_id = j.job_id
        ) AS unpublished_messages
    FROM jobs j
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(k.key), '{}') AS executed_keys, coalesce(max(attempts), 0) AS executed_attempts,
               min(executed_at) AS first_executed_at, max(executed_at) AS last_executed_at
        FROM unnest(j.keys) AS k(key) JOIN inbox i ON i.dedupe_key = dedupe_key(j.task_name, j.api_key_id, k.key)
    ) done
    CROSS JOIN LATERAL (
        SELECT count(*) AS failed_attempts, coalesce(max(attempt), 0) AS last_attempt
        FROM task_failures WHERE job_id = j.job_id
    ) failed
    LEFT JOIN LATERAL (
        SELECT reason, exception_type, exception_message, failed_at
        FROM task_failures WHERE job_id = j.job_id ORDER BY failed_at DESC LIMIT 1
    ) last ON true
    WHERE j.job_id = %(job_id)s AND j.api_key_id = %(api_key_id)s
"""

DEAD_LETTERS_OF_JOB = """
    SELECT state, keys, attempts, reason, exception_type, exception_message, died_at
    FROM dead_letters WHERE job_id = %(job_id)s ORDER BY died_at DESC LIMIT 1000
"""
