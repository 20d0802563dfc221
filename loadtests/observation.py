"""The state of the system under test after a run: its effects, inbox, dead letters and accounts, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from loadtests.jobs import JobState, StoredJob

#: Accounts that take the other side of every effect; they belong to no user.
CLEARING_PREFIX = "clearing:"


@dataclass(frozen=True, slots=True)
class StoredEffect:
    """One row of `events`."""

    event_id: str
    user_id: str
    amount: int
    stored_at: float
    #: Of type, time and payload as they are stored.
    digest: str


@dataclass(frozen=True, slots=True)
class Account:
    """A user's running totals."""

    event_count: int
    balance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything that the reconciler compares with the history."""

    effects: tuple[StoredEffect, ...]
    inbox: frozenset[str]
    #: Event id to the reason of its dead letter, for letters that are still dead.
    dead_letters: Mapping[str, str]
    #: By job id: the jobs of accepted requests.
    jobs: Mapping[str, StoredJob]
    #: Job id to what `GET /v1/jobs/{job_id}` said of it, for those that were asked about.
    job_answers: Mapping[str, JobState] = field(default_factory=dict)
    accounts_before: Mapping[str, Account]
    accounts_after: Mapping[str, Account]
    #: Other producers may have written meanwhile: then effects of unknown origin are not held against the run.
    exclusive: bool = field(default=True)
