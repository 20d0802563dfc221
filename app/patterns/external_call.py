"""Calls another system once: commits the call's id before the call, and its outcome after it (docs/patterns).

If the outcome of a call is not known, the next run asks the far side for it by the id before it calls again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.engine import Connection

from app.brokers.transactional import in_transaction
from app.errors import ComeBackLaterError, FarSideBusyError, PoisonError
from app.failpoints import Failpoint, failpoint
from app.kinds import Transaction
from app.kinds.base import running_task
from app.patterns.breaker import Breaker
from app.patterns.metrics import FAR_SIDE_CALLS
from app.patterns.rate_limit import LEASE_MARGIN_SECONDS, RateLimit
from app.storage.engine import engine
from app.storage.inbox import dedupe_key

_ENTER = text("""
    INSERT INTO external_calls (request_id, far_side, task_name) VALUES (:request_id, :far_side, :task_name)
    ON CONFLICT DO NOTHING
""")
_SEEN = text("""
    SELECT state, outcome, greatest(0, extract(epoch FROM leased_until - clock_timestamp())) AS leased_seconds
    FROM external_calls WHERE request_id = :request_id FOR UPDATE
""")
_BEGIN = text("""
    UPDATE external_calls SET state = 'begun', owner = :owner, changed_at = clock_timestamp(),
        leased_until = clock_timestamp() + make_interval(secs => :lease_seconds)
    WHERE request_id = :request_id
""")
_END = text("""
    UPDATE external_calls SET state = :state, outcome = :outcome, leased_until = '-infinity',
        changed_at = clock_timestamp()
    WHERE request_id = :request_id AND owner = :owner AND state = 'begun' RETURNING request_id
""")

#: Makes the call with this id as its idempotency key; returns the outcome, a JSON value.
Call = Callable[[UUID], Any]
#: Asks the far side for the outcome of the call with this id; None: the far side knows no such call.
LookUp = Callable[[UUID], Any | None]
Then = Callable[[Any, Transaction], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A call whose lease this run holds."""

    request_id: UUID
    owner: UUID
    #: Whether an earlier run may have made the call.
    doubtful: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FarSide:
    """Another system. `retries_a_minute` is the budget of retries for all workers and all tasks that call it."""

    name: str
    retries_a_minute: int = 60
    breaker: Breaker = field(default_factory=Breaker)

    def once(self, key: str, *, call: Call, look_up: LookUp, then: Then) -> Any:
        """Make a call once for each key of this task and sender; `then` is in the transaction of the outcome.

        Returns the outcome. A message that comes again gets the stored outcome.

        Raises:
            ComeBackLaterError: another run has this call, the breaker is open, or the budget of retries is used up.
            FarSideBusyError: the call was not done, or may have been done; then the next attempt looks it up first.
            PoisonError: the far side refuses the call for good.
        """
        task = running_task()
        begun = self._begin(dedupe_key(f"{task.name} {self.name}", task.scope, key))
        if not isinstance(begun, _Begun):
            FAR_SIDE_CALLS.labels(self.name, "known").inc()
            return begun[0]
        try:
            outcome = look_up(begun.request_id) if begun.doubtful else None
            if outcome is None:
                outcome = call(begun.request_id)
        except Exception as error:
            self._end(begun, error)
            raise
        failpoint(Failpoint.WORKER_AFTER_CALL)
        self._record(begun, outcome, then)
        FAR_SIDE_CALLS.labels(self.name, "recorded").inc()
        return outcome

    def _begin(self, request_id: UUID) -> _Begun | tuple[Any]:
        owner, task = uuid4(), running_task()
        lease_seconds = task.hard_limit_seconds + LEASE_MARGIN_SECONDS
        with engine().begin() as connection:
            named = {"request_id": request_id, "far_side": self.name, "task_name": task.name}
            connection.execute(_ENTER, named)
            seen = connection.execute(_SEEN, named).one()
            if seen.state == "recorded":
                return (json.loads(seen.outcome),)
            if seen.leased_seconds > 0:
                raise ComeBackLaterError("(another run has this call)", delay_seconds=float(seen.leased_seconds))
            self.breaker.check(connection, self.name)
            if task.attempt > 1:
                with RateLimit(name=f"{self.name}-retries", calls=self.retries_a_minute, seconds=60).turn():
                    pass
            self.breaker.enter(connection, self.name, lease_seconds=lease_seconds)
            connection.execute(_BEGIN, named | {"owner": owner, "lease_seconds": lease_seconds})
        return _Begun(request_id=request_id, owner=owner, doubtful=seen.state == "begun")

    def _end(self, begun: _Begun, error: Exception) -> None:
        """Give the lease back. If the call may have had its effect, the next run looks it up."""
        refused, held = isinstance(error, PoisonError), isinstance(error, ComeBackLaterError)
        FAR_SIDE_CALLS.labels(self.name, "refused" if refused else "held" if held else "failed").inc()
        not_done = refused or held or (isinstance(error, FarSideBusyError) and error.surely_not_done)
        with engine().begin() as connection:
            if refused:
                self.breaker.succeeded(connection, self.name)  # the far side answers
            elif not held:
                self.breaker.failed(connection, self.name)
            self._write(connection, begun, "new" if not_done and not begun.doubtful else "begun", None)

    def _record(self, begun: _Begun, outcome: Any, then: Then) -> None:
        task = running_task()
        with engine().begin() as connection:
            self.breaker.succeeded(connection, self.name)
            if not self._write(connection, begun, "recorded", json.dumps(outcome)):
                raise ComeBackLaterError("(another run took this call over)", delay_seconds=1)
            with in_transaction(connection):
                then(outcome, Transaction(connection, task_id=task.task_id, job_ids=[task.job_id]))

    def _write(self, connection: Connection, begun: _Begun, state: str, outcome: str | None) -> bool:
        values = {"request_id": begun.request_id, "owner": begun.owner, "state": state, "outcome": outcome}
        return connection.execute(_END, values).first() is not None
