"""The transaction that a task's effect, its inbox row and the messages it sends commit in together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, Executable, text
from sqlalchemy.engine import Connection


class Transaction:
    """What a task of the kinds `once` and `once_in_batches` is given.

    It commits when the function returns and is rolled back when it raises, so it has neither `commit` nor `rollback`.
    """

    def __init__(self, connection: Connection, *, task_id: UUID, job_ids: Sequence[UUID | None] = (None,)) -> None:
        """Hold the connection, whose transaction has begun, and the ids of its message and jobs."""
        #: The message's id.
        self.task_id = task_id
        #: The job of each item, in the order of the items; a task that is not in batches has one.
        self.job_ids = job_ids
        #: For what needs SQLAlchemy's own: an ORM session, `insert().returning()`. Do not end its transaction.
        self.connection = connection

    @property
    def job_id(self) -> UUID | None:
        """The job of all items; None if they belong to several jobs, or to none."""
        jobs = set(self.job_ids)
        return jobs.pop() if len(jobs) == 1 else None

    def execute(
        self,
        statement: str | Executable,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> CursorResult[Any]:
        """Run a statement; a text names its parameters `:so`, and is run once for each of several mappings."""
        return self.connection.execute(text(statement) if isinstance(statement, str) else statement, parameters)
