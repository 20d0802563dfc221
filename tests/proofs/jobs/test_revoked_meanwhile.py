"""What a revocation meets: each kind of task, a run that has begun, a PostgreSQL that is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Event as Flag
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from celery.exceptions import Ignore
from pydantic import BaseModel
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from app import contract
from app.brokers.celery_app import celery_app
from app.contract import Role
from app.kinds import Transaction, at_least_once, base, batches, declared, once, once_in_batches
from app.kinds.declared import AtLeastOnceTask, DeclaredTask
from app.storage.identifiers import new_id
from tests.harness.stack import Stack
from tests.harness.waiting import PATIENCE_SECONDS, eventually

SENDER = "somebody"


class Item(BaseModel):
    """What all kinds take here."""

    key: str


class Runs:
    """Runs tasks as a worker's child would, on the stack's PostgreSQL."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.ran: list[str] = []
        #: Called by each run, in its transaction.
        self.meanwhile: Callable[[], Any] = lambda: None

    def run(self, task: DeclaredTask, job_id: UUID, key: str, **request: Any) -> None:
        """One delivery."""
        carried = {"key": key, "item": Item(key=key).model_dump_json()}
        batch = task.name == "in_batches"
        headers = {contract.MESSAGE_JOB_ID: str(job_id), contract.MESSAGE_SCOPE: SENDER}
        headers |= {} if batch else {contract.MESSAGE_KEY: key}
        kwargs: dict[str, Any] = {} if batch else {"item": carried["item"]}
        args: list[Any] = [[carried]] if batch else []
        task.push_request(
            id=str(uuid4()), args=args, kwargs=kwargs, retries=0, hostname="w@h", headers=headers, delivery_info={},
            called_directly=False, is_eager=False, **headers, **request,
        )  # fmt: skip
        try:
            task(*args, **kwargs)
        finally:
            task.pop_request()

    def revoke(self, job_id: UUID) -> None:
        """As the gateway does."""
        self.stack.query("INSERT INTO job_revocations (job_id) VALUES (%s)", job_id, role=Role.GATEWAY)

    def ends(self, job_id: UUID) -> tuple[list[str], int]:
        """The outcomes of the job's dropped items, and how many it executed."""
        dropped = self.stack.query("SELECT outcome FROM dropped_items WHERE job_id = %s", job_id)
        executed = self.stack.query("SELECT 1 FROM inbox WHERE job_id = %s AND dedupe_key <> %s", job_id, UUID(int=0))
        return [outcome for (outcome,) in dropped], len(executed)


@pytest.fixture
def runs(single: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """The tasks' transactions are those of a worker's role."""

    def connect() -> psycopg.Connection:
        connection = single.database(Role.WORKER)
        connection.execute("SET statement_timeout = 0")  # the test says for how long one waits for another
        connection.autocommit = False
        return connection

    database = create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)
    for module in (base, batches, declared):
        monkeypatch.setattr(module, "engine", lambda: database)
    autocommit = database.execution_options(isolation_level="AUTOCOMMIT")
    monkeypatch.setattr(declared, "autocommit", lambda: autocommit)
    yield Runs(single)
    database.dispose()


@pytest.fixture(params=["once", "in_batches", "at_least_once"])
def task(request: pytest.FixtureRequest, runs: Runs) -> Iterator[DeclaredTask]:
    """One task of each kind."""

    def often(item: Item) -> None:
        runs.ran.append(item.key)
        runs.meanwhile()

    def singly(item: Item, tx: Transaction) -> None:
        tx.execute("SELECT 1")
        often(item)

    def many(items: list[Item], tx: Transaction) -> None:
        for item in items:
            singly(item, tx)

    made = {
        "once": lambda: once(name="once_only", key="key")(singly),
        "in_batches": lambda: once_in_batches(name="in_batches", key="key")(many),
        "at_least_once": lambda: at_least_once(name="at_least_once")(often),
    }[request.param]()
    assert isinstance(made, DeclaredTask)
    yield made
    celery_app.tasks.pop(made.name)


@contextmanager
def _dropped() -> Iterator[None]:
    """The message is acknowledged, and nothing ran."""
    with pytest.raises(Ignore):
        yield


def test_a_revoked_item_is_not_run(runs: Runs, task: DeclaredTask) -> None:
    """Of any kind; twice as well. Another job with the same key runs, and changes nothing of the first one's end."""
    first, second = new_id(), new_id()
    runs.revoke(first)
    for _ in range(2):
        with _dropped():
            runs.run(task, first, "a" + first.hex)
    assert (runs.ran, runs.ends(first)) == ([], (["revoked"], 0))

    runs.run(task, second, "a" + first.hex)

    assert len(runs.ran) == 1
    assert (runs.ends(first)[0], runs.ends(second)[0]) == (["revoked"], [])
    assert runs.ends(second)[1] >= 1


def test_an_expired_item_is_not_run(runs: Runs, task: DeclaredTask) -> None:
    """The worker's parent says so to its child, which records it."""
    job_id = new_id()
    with _dropped():
        runs.run(task, job_id, job_id.hex, **{contract.MESSAGE_DROP_AS: "expired"})
    assert (runs.ran, runs.ends(job_id)) == ([], (["expired"], 0))


def test_what_has_begun_is_executed(runs: Runs, task: DeclaredTask) -> None:
    """A job that is revoked in the middle of a run: the run ends as it would, and a second delivery drops nothing."""
    job_id = new_id()
    runs.meanwhile = lambda: runs.revoke(job_id)
    runs.run(task, job_id, job_id.hex)
    with _dropped():
        runs.run(task, job_id, job_id.hex)

    outcomes, executed = runs.ends(job_id)
    assert (len(runs.ran), outcomes) == (1, [])
    assert executed >= 1


@pytest.mark.parametrize("task", ["once", "in_batches"], indirect=True)
@pytest.mark.parametrize("commits", [True, False])
def test_a_second_delivery_waits_for_the_first(runs: Runs, single: Stack, task: DeclaredTask, commits: bool) -> None:
    """Redelivered while its first run goes on: it is dropped if that fails, and only then; it never has two ends."""
    job_id, revoked, goes_on = new_id(), Flag(), Flag()

    def meanwhile() -> None:
        revoked.set()
        assert goes_on.wait(PATIENCE_SECONDS)
        if not commits:
            raise RuntimeError

    runs.meanwhile = meanwhile
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%INSERT INTO inbox%%'"
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(_quietly, runs, task, job_id)
        assert revoked.wait(PATIENCE_SECONDS)
        runs.revoke(job_id)
        second = pool.submit(_quietly, runs, task, job_id)
        try:
            eventually(lambda: single.query(waits, role=Role.WORKER), what="the second delivery waits")
            assert not second.done()
        finally:
            goes_on.set()
        first.result(), second.result()

    outcomes, executed = runs.ends(job_id)
    assert len(runs.ran) == 1
    assert (outcomes, executed > 0) == (([], True) if commits else (["revoked"], False))


def _quietly(runs: Runs, task: DeclaredTask, job_id: UUID) -> None:
    """A run whose end the tables tell; its retry has no broker here."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(task), "retry_later", lambda _, error: error)
        with suppress(Ignore, RuntimeError):
            runs.run(task, job_id, job_id.hex)


@pytest.mark.parametrize("task", ["at_least_once"], indirect=True)
def test_at_least_once_runs_while_postgresql_is_away(
    runs: Runs, task: DeclaredTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs nothing of PostgreSQL to run, so a revocation that cannot be read stops nothing."""
    nowhere = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect("host=127.0.0.1 port=1 connect_timeout=1")
    )
    assert isinstance(task, AtLeastOnceTask)
    monkeypatch.setattr(declared, "autocommit", lambda: nowhere)
    monkeypatch.setattr(task, "patiently", lambda body: body() if body != task._remember else None)
    job_id = new_id()
    runs.revoke(job_id)

    runs.run(task, job_id, job_id.hex)

    assert len(runs.ran) == 1
