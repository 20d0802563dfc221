"""Unique jobs: at most one job of a key waits or runs. With a window, at most one is sent in each window.

    @unique_job(window_seconds=5)
    def refresh_statement(customer: str, tx: Transaction) -> None: ...

    refresh_statement.request(tx, "customer-7")         # the commit sends a job, unless one waits or runs

After every request there is a run that begins after the request's commit and sees its data. A job in the dead letters
holds this up until somebody replays it; if it is discarded, the next request after `lost_after_seconds` sends another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from app.brokers.transactional import at_the_end, in_transaction
from app.errors import DeclarationError
from app.kinds import Transaction, once
from app.kinds.declared import DeclaredTask
from app.storage import unique_jobs as storage
from app.storage.identifiers import new_id

#: Longer than a time limit, and than all attempts of a task together.
LOST_AFTER_SECONDS = 3600.0
_SHORTEST_LOST_SECONDS = 600.0

Function = Callable[[str, Transaction], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class UniqueJob:
    """A declared job; `request` asks for a run."""

    task: DeclaredTask
    window_seconds: float
    lost_after_seconds: float

    def request(self, tx: Transaction, key: str) -> None:
        """Ask for a run of this key after the commit. It sends a message only if no job of the key waits or runs.

        Other transactions that ask for the same key wait for the commit of `tx`. So it asks when the function has
        returned, and for several keys in one order.
        """

        def request(connection: Connection) -> None:
            task_id = new_id()
            if storage.request(
                connection, self.task.name, key, task_id=task_id,
                window_seconds=self.window_seconds, lost_after_seconds=self.lost_after_seconds,
            ):  # fmt: skip
                self._send(connection, key, str(task_id))

        self._at_the_end(tx, key, request)

    def run(self, function: Function, key: str, tx: Transaction) -> None:
        """Run the function. Then end the job, or send the next one if there were requests meanwhile."""
        found = storage.begin(tx.connection, self.task.name, key)
        if found is not None and found[0] != tx.task_id:
            return  # another job took the place of this one, which was too late
        function(key, tx)
        if found is None:
            return
        requests = found[1]

        def end(connection: Connection) -> None:
            if storage.end(connection, self.task.name, key, requests=requests):
                return
            task_id = new_id()
            storage.again(connection, self.task.name, key, task_id=task_id, window_seconds=self.window_seconds)
            self._send(connection, key, str(task_id))

        self._at_the_end(tx, key, end)

    def _at_the_end(self, tx: Transaction, key: str, lock: Callable[[Connection], None]) -> None:
        if not at_the_end(("unique job", self.task.name, key), lock):
            lock(tx.connection)  # a transaction of the caller's own

    def _send(self, connection: Connection, key: str, task_id: str) -> None:
        with in_transaction(connection):
            self.task.apply_async([key], task_id=task_id, countdown=self.window_seconds)


def unique_job(
    *, window_seconds: float = 0.0, lost_after_seconds: float = LOST_AFTER_SECONDS, **options: Any
) -> Callable[[Function], UniqueJob]:
    """Declare a job whose function gets a key and a `Transaction`.

    window_seconds: the job begins this long after the first request, and serves all requests until then.
    lost_after_seconds: a request that finds the job this much overdue sends another job in its place. Until then a job
        in the dead letters keeps its key.
    Other options are those of `once`.

    Raises:
        DeclarationError: the job cannot work as declared; the message says why.
    """

    def decorate(function: Function) -> UniqueJob:
        where = f"{function.__module__}:{function.__name__}"
        if window_seconds < 0 or lost_after_seconds < _SHORTEST_LOST_SECONDS:
            raise DeclarationError(
                f"({where}: window_seconds must be 0 or more, lost_after_seconds {_SHORTEST_LOST_SECONDS:g} or more)"
            )

        def run(key: str, tx: Transaction) -> None:
            job.run(function, key, tx)

        run.__module__, run.__name__, run.__doc__ = function.__module__, function.__name__, function.__doc__
        task = once(**{"name": function.__name__, **options})(run)
        job = UniqueJob(task=task, window_seconds=window_seconds, lost_after_seconds=lost_after_seconds)
        return job

    return decorate
