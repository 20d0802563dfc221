"""A pytest fixture that runs tasks on a real transaction, without a stack: `pytest -p app.kinds.pytest_plugin`.

MILLRACE_TEST_POSTGRESQL names a PostgreSQL, such as `postgresql://me@localhost/test`, whose user may create schemas.
All of a test is one transaction, and it is rolled back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from kombu.utils.json import dumps, loads
from sqlalchemy import Connection, create_engine, text

from app.kinds import batches, declared
from app.kinds.declared import DeclaredTask
from app.storage import outbox
from app.storage.outbox import OutboxMessage
from app.storage.tables import inbox, job_revocations

VARIABLE = "MILLRACE_TEST_POSTGRESQL"


class TaskRuns:
    """Runs tasks as a worker would, but for retries: what a task raises is raised."""

    def __init__(self, connection: Connection) -> None:
        """Make what the kinds need; `connection` has begun a transaction."""
        self._connection = connection
        #: What the tasks have sent, in order: each leaves with the commit of its task.
        self.sent: list[OutboxMessage] = []
        schema = f"millrace_test_{uuid4().hex}"
        for statement in (f"CREATE SCHEMA {schema}", f"SET LOCAL search_path TO {schema}, public"):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS tasks")
        inbox.create(connection)
        job_revocations.create(connection)
        connection.exec_driver_sql("ALTER TABLE inbox ALTER COLUMN executed_at SET DEFAULT now()")

    def run(self, task: DeclaredTask, *args: Any, **kwargs: Any) -> Any:
        """Run a message of the task; items may be given as models. Twice with one key is once.

        Raises:
            PoisonError: the task or its model refuses an item.
            Exception: whatever the task raises.
        """
        if task.declaration.schema:
            self._connection.exec_driver_sql(task.declaration.schema)
        arguments, named = task.encode(args, kwargs)
        headers = task.headers_of(args, kwargs)
        request = {"id": str(uuid4()), "retries": 0, "hostname": "test", "delivery_info": {}, "headers": headers}
        # As a message would carry them: what JSON does to an argument must not surprise in production.
        arguments, named = loads(dumps([arguments, named]))
        task.push_request(args=arguments, kwargs=named, called_directly=False, is_eager=False, **request, **headers)
        try:
            return task.execute(tuple(arguments), named)
        finally:
            task.pop_request()

    def query(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a statement, in the test's transaction."""
        return [tuple(row) for row in self._connection.execute(text(statement), parameters)]

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """In the place of the worker's engine: a task's transaction is a savepoint of the test's."""
        sent = len(self.sent)
        try:
            with self._connection.begin_nested():
                yield self._connection
        except BaseException:
            del self.sent[sent:]
            raise

    def keep(self, _: Connection, messages: list[OutboxMessage], *, line: UUID | None = None) -> None:
        """In the place of the outbox. No other transaction waits for a line here."""
        del line
        self.sent.extend(messages)


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Iterator[TaskRuns]:
    """Runs of tasks in one transaction, which is rolled back."""
    url = os.environ.get(VARIABLE)
    if not url:
        pytest.fail(f"{VARIABLE} is not set: name a PostgreSQL, such as postgresql://me@localhost/test")
    database = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
    try:
        with database.connect() as connection, connection.begin() as transaction:
            runs = TaskRuns(connection)
            for module in (batches, declared):
                monkeypatch.setattr(module, "engine", lambda: runs)
            monkeypatch.setattr(outbox, "enqueue", runs.keep)
            yield runs
            transaction.rollback()
    finally:
        database.dispose()
