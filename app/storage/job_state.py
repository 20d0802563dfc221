"""The state of a job, worked out from what was recorded about it: nothing ever updates a job's own row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class JobState(StrEnum):
    """Where a job is. From `succeeded` on they are final, as long as nobody replays a dead letter."""

    ACCEPTED = "accepted"  # committed; the broker does not have it yet
    QUEUED = "queued"
    RUNNING = "running"  # some items are done
    RETRYING = "retrying"  # something failed and will be tried again
    REVOKING = "revoking"  # its owner gave it up; of some items nobody has said yet how they ended
    SUCCEEDED = "succeeded"
    PARTIALLY_FAILED = "partially_failed"  # some items executed, some dead or discarded
    DEAD_LETTERED = "dead_lettered"
    DISCARDED = "discarded"
    REVOKED = "revoked"  # what was not executed was revoked, and perhaps some of it had expired
    EXPIRED = "expired"  # what was not executed had expired


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
    revoked_at: datetime | None = None
    unpublished_messages: int = 0
    executed_keys: Sequence[str] = ()
    executed_attempts: int = 0
    first_executed_at: datetime | None = None
    last_executed_at: datetime | None = None
    revoked_keys: Sequence[str] = ()
    expired_keys: Sequence[str] = ()
    last_dropped_at: datetime | None = None
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
    revoked: int
    expired: int
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
    left = everything - executed
    dead = left & _items_in(records, lambda letter: letter.state == "dead" and not _expired(letter))
    left -= dead
    discarded = left & _items_in(records, lambda letter: letter.state == "discarded")
    left -= discarded
    revoked = left & set(records.revoked_keys)
    left -= revoked
    expired = left & (set(records.expired_keys) | _items_in(records, _expired))
    waiting = len(left - expired)
    ended = Counter(
        executed=len(executed), dead=len(dead), discarded=len(discarded), revoked=len(revoked), expired=len(expired)
    )
    letters = [letter.failure for letter in records.dead_letters]
    errors = [*letters, *([records.last_failure] if records.last_failure else [])]
    ends = [letter.failure.at for letter in records.dead_letters if letter.state != "replayed"]
    ends += [at for at in (records.last_executed_at, records.last_dropped_at) if at is not None]
    return JobStatus(
        state=_waiting_state(records, ended) if waiting else _final_state(ended, items=len(everything)),
        items=len(everything),
        executed=len(executed),
        dead_lettered=len(dead),
        discarded=len(discarded),
        revoked=len(revoked),
        expired=len(expired),
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


def _expired(letter: DeadLetterOfJob) -> bool:
    """The broker drops what expires in a queue into the dead letters; that is no failure of the item."""
    return letter.state == "dead" and letter.failure.reason == "expired"


def _items_in(records: JobRecords, chosen: Callable[[DeadLetterOfJob], bool]) -> set[str]:
    everything = set(records.keys)
    found: set[str] = set()
    for letter in records.dead_letters:
        if chosen(letter):
            # A message that nobody could read names no items; a job of one item has only one to lose.
            found |= everything if not letter.keys and len(everything) == 1 else set(letter.keys)
    return found & everything


def _waiting_state(records: JobRecords, ended: Counter[str]) -> JobState:
    if records.revoked_at is not None:
        return JobState.REVOKING
    if records.last_failure is not None or not all(map(_expired, records.dead_letters)):
        return JobState.RETRYING
    if ended.total():
        return JobState.RUNNING
    return JobState.ACCEPTED if records.unpublished_messages else JobState.QUEUED


def _final_state(ended: Counter[str], *, items: int) -> JobState:
    if ended["executed"] == items:
        return JobState.SUCCEEDED
    if ended["dead"] or ended["discarded"]:
        if ended["executed"]:
            return JobState.PARTIALLY_FAILED
        return JobState.DEAD_LETTERED if ended["dead"] else JobState.DISCARDED
    return JobState.REVOKED if ended["revoked"] else JobState.EXPIRED
