"""Puts back messages of accepted jobs that have not ended and have none any more (docs/patterns/reconciler.md).

A message that vanished from the broker is sent again from the outbox, which keeps it for seven days. If it still
exists and is only slow, the inbox lets one of the two act.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from app import contract
from app.brokers.transactional import captured
from app.kinds import registry
from app.kinds.declared import Kind
from app.patterns import counted_batches
from app.patterns.message_copies import copies
from app.storage import outbox, vanished
from app.storage.identifiers import created_at, first_id_at
from app.storage.vanished import Unfinished

log = structlog.get_logger(__name__)

#: Jobs are read in pages of so many items, so that no statement takes longer the more jobs an hour has: about a second.
_PAGE_ITEMS = 100_000
_JOBS_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When something counts as vanished."""

    #: Queues of which the broker holds nothing: what these are missing is gone.
    empty: frozenset[str]
    #: The youngest job that is looked at.
    older_than_seconds: float = 60.0
    #: From this age also what a queue with messages is missing, unless its task could run twice.
    busy_older_than_seconds: float = 24 * 3600.0
    #: Older jobs have lost their messages from the outbox, too.
    kept_days: int = 7
    #: When this reconciler began (time.monotonic).
    began: float = field(default_factory=time.monotonic)

    @property
    def lately_seconds(self) -> float:
        """Messages that were put back within this time are left alone: another reconciler may have put them back."""
        return self.older_than_seconds + time.monotonic() - self.began + contract.STATEMENT_TIMEOUT_SECONDS

    def apply(self, found: Unfinished, now: datetime) -> bool:
        """Whether the messages of this job or batch count as vanished."""
        batch = counted_batches.declared().get(found.task_name)
        if batch is not None and (not found.queue or found.queue == batch.queue):
            return batch.queue in self.empty or self._old(found, now)
        declaration = registry.declarations().get(found.task_name)
        if found.queue in self.empty:
            return True
        return declaration is not None and declaration.kind is not Kind.AT_LEAST_ONCE and self._old(found, now)

    def _old(self, found: Unfinished, now: datetime) -> bool:
        return (now - created_at(found.job_id)).total_seconds() >= self.busy_older_than_seconds


def find(database: Engine, rules: Rules) -> list[Unfinished]:
    """Jobs and batches whose messages count as vanished, by what PostgreSQL says now."""
    now = datetime.now(UTC)
    youngest = now - timedelta(seconds=rules.older_than_seconds)
    first, end = first_id_at(youngest - timedelta(days=rules.kept_days)), first_id_at(youngest)
    found: list[Unfinished] = []
    while first < end:
        with database.connect() as connection:
            until = vanished.page_end(connection, first=first, end=end, items=_PAGE_ITEMS)
            found += vanished.unfinished(connection, first=first, end=until, lately_seconds=rules.lately_seconds)
        first = until
    return [one for one in found if rules.apply(one, now)]


def put_back(database: Engine, found: Sequence[Unfinished], rules: Rules, *, by: str) -> dict[UUID, int]:
    """Put the messages back, some jobs in a transaction with their records. Returns the number of messages by job.

    It looks at the jobs again under a lock, so only one of two reconcilers puts a message back.
    """
    done: dict[UUID, int] = {}
    ordered = sorted(found, key=lambda one: one.job_id)
    for begin in range(0, len(ordered), _JOBS_AT_ONCE):
        some = ordered[begin : begin + _JOBS_AT_ONCE]
        with database.begin() as connection:
            if not vanished.lock(connection):
                log.warning("another_reconciler_runs")
                break
            first, after = some[0].job_id, UUID(int=some[-1].job_id.int + 1)
            still = vanished.unfinished(connection, first=first, end=after, lately_seconds=rules.lately_seconds)
            put = {job.job_id: _put_back(connection, job, by) for job in vanished.in_both(some, still)}
        done |= put
        log.warning("messages_put_back", jobs=len(put), messages=sum(put.values()), by=by)
    return done


def _put_back(connection: Connection, job: Unfinished, by: str) -> int:
    batch = counted_batches.declared().get(job.task_name)
    if batch is not None and not job.queue:
        with captured() as messages:
            for key in job.keys:
                batch.send_again(job.job_id, key)
    else:
        kept, missing = vanished.messages_of(connection, job.job_id), set(job.keys)
        messages = [again for message in kept for again in copies(connection, message, missing)]
    outbox.enqueue(connection, messages)
    vanished.record(connection, [(message.message_id, job.job_id) for message in messages], by=by)
    return len(messages)
