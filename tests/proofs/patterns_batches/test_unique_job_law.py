"""The law of unique jobs: never two of a key, and each request is followed by a run that sees what it committed.

Hypothesis draws requests, runs, deaths, and requests in the middle of a run; PostgreSQL is real.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from sqlalchemy import Engine, text

from app.brokers.celery_app import celery_app
from app.brokers.transactional import in_transaction
from app.contract import Role
from app.kinds import Transaction, declared
from app.patterns.unique_jobs import UniqueJob, unique_job
from app.storage import unique_jobs as storage
from app.storage.identifiers import new_id
from tests.harness.stack import Stack
from tests.harness.waiting import PATIENCE_SECONDS, eventually

STEPS = ["request", "request, roll back", "run", "run, die before the commit", "run, and request in the middle"]


class DiedError(BaseException):
    """Stands for SIGKILL: no exception handler catches it."""


class World:
    """A key, its requests, and the delivery of its messages."""

    def __init__(self, database: Engine) -> None:
        self.database = database
        self.key = uuid4().hex
        self.meanwhile: Callable[[], None] = lambda: None
        self.delivered: list[str] = []

    def refresh(self, key: str, tx: Transaction) -> None:
        """Copy what is committed. A test may do something after the read."""
        tx.execute(
            "UPDATE tasks.law_copies SET value = (SELECT value FROM tasks.law_sources WHERE key = :k) WHERE key = :k",
            {"k": key},
        )
        self.meanwhile()

    def begin(self) -> None:
        """Make the source and its copy."""
        with self.database.begin() as connection:
            for table in ("law_sources", "law_copies"):
                connection.execute(text(f"INSERT INTO tasks.{table} VALUES (:key, 0)"), {"key": self.key})

    def request(self, job: UniqueJob, *, commits: bool = True) -> None:
        """Change the source, and ask for a copy."""
        with suppress(DiedError), self.database.begin() as connection, in_transaction(connection):
            tx = Transaction(connection, task_id=new_id())
            tx.execute("UPDATE tasks.law_sources SET value = value + 1 WHERE key = :key", {"key": self.key})
            job.request(tx, self.key)
            if not commits:
                raise DiedError

    def messages(self) -> list[str]:
        """The ids of all messages so far."""
        with self.database.connect() as connection:
            found = connection.execute(text("SELECT task_id, body FROM tasks.law_outbox ORDER BY message_id")).all()
        return [str(row.task_id) for row in found if json.loads(bytes(row.body))[0] == [self.key]]

    def run(self, job: UniqueJob, task_id: str, *, dies: bool = False) -> None:
        """Deliver a message."""
        request: dict[str, Any] = {"args": [self.key], "kwargs": {}, "retries": 0, "delivery_info": {}, "headers": {}}
        job.task.push_request(id=task_id, hostname="w@h", called_directly=False, is_eager=False, **request)
        try:
            with pytest.MonkeyPatch.context() as patched, suppress(DiedError):
                if dies:
                    patched.setattr(declared.OnceTask, "_result_goes_on", property(_die))
                job.task.execute((self.key,), {})
                self.delivered.append(task_id)
        finally:
            job.task.pop_request()

    def waiting(self) -> list[str]:
        """The messages that were not executed."""
        return [task_id for task_id in self.messages() if task_id not in self.delivered]

    def values(self) -> tuple[int, int]:
        """The values of the source and of its copy."""
        both = text(
            "SELECT s.value, c.value FROM tasks.law_sources s JOIN tasks.law_copies c USING (key) WHERE key = :k"
        )
        with self.database.connect() as connection:
            source, copy = connection.execute(both, {"k": self.key}).one()
        return source, copy


def _die(_: object) -> bool:
    raise DiedError


@pytest.fixture(scope="module", autouse=True)
def tables(quiet: Stack) -> Iterator[None]:
    """A source that requests change, and a copy that runs bring up to date."""
    quiet.query(
        "CREATE TABLE tasks.law_sources (key text PRIMARY KEY, value int);"
        "CREATE TABLE tasks.law_copies (key text PRIMARY KEY, value int);"
        # A worker may not read the outbox.
        "CREATE VIEW tasks.law_outbox AS SELECT message_id, task_id, body FROM outbox WHERE task_name = 'law_refresh';",
        role=Role.OWNER,
    )
    yield
    quiet.query("DROP VIEW tasks.law_outbox; DROP TABLE tasks.law_sources, tasks.law_copies", role=Role.OWNER)


@pytest.fixture
def declare(database: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., UniqueJob]]:
    """Returns a function that declares the job of a world."""
    monkeypatch.setattr(declared, "engine", lambda: database)

    def made(world: World, **options: Any) -> UniqueJob:
        def law_refresh(key: str, tx: Transaction) -> None:
            world.refresh(key, tx)

        celery_app.tasks.pop("law_refresh", None)
        return unique_job(**options)(law_refresh)

    yield made
    celery_app.tasks.pop("law_refresh", None)


def law(database: Engine, declare: Callable[..., UniqueJob], examples: int) -> None:
    """Check the law on this many examples."""

    @settings(
        max_examples=examples, derandomize=True, deadline=None, database=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5)), min_size=1, max_size=12))
    def holds(steps: list[tuple[str, int]]) -> None:
        world = World(database)
        world.begin()
        job = declare(world)
        for step, number in steps:
            if step.startswith("request"):
                world.request(job, commits="roll" not in step)
            elif messages := world.messages():
                world.meanwhile = (lambda: world.request(job)) if "middle" in step else lambda: None
                world.run(job, messages[number % len(messages)], dies="die" in step)
                world.meanwhile = lambda: None
            assert len(world.waiting()) <= 1, "two jobs of a key wait"
        while waiting := world.waiting():
            world.run(job, waiting[0])
        source, copy = world.values()
        assert source == copy, "a request was followed by no run that saw it"

    holds()


def test_never_two_and_none_missed(database: Engine, declare: Callable[..., UniqueJob]) -> None:
    """The law holds under repeats, rollbacks, kills and requests during runs."""
    law(database, declare, examples=25)


def _removed_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted bug: a run ends the job although there was a request since it began."""
    end = text(str(storage._END).replace("AND requests = :requests", "AND :requests > 0"))
    monkeypatch.setattr(storage, "_END", end)


def _always_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted bug: each request sends a message."""
    honest = storage.request

    def request(*args: Any, **options: Any) -> bool:
        honest(*args, **options)
        return True

    monkeypatch.setattr(storage, "request", request)


@pytest.mark.parametrize("plant", [_removed_in_any_case, _always_sent])
def test_the_law_finds(
    plant: Callable[[pytest.MonkeyPatch], None], database: Engine, declare: Callable[..., UniqueJob]
) -> None:
    """The law finds each of these planted bugs."""
    with pytest.MonkeyPatch.context() as patched:
        plant(patched)
        with pytest.raises(AssertionError):
            law(database, declare, examples=25)


@pytest.mark.parametrize("planted", [False, True], ids=["", "planted"])
def test_a_request_that_has_not_committed(planted: bool, database: Engine, declare: Callable[..., UniqueJob]) -> None:
    """A run that cannot see the data of an open request waits for its commit, and another run follows."""
    world = World(database)
    world.begin()
    job = declare(world)
    world.request(job)
    [first] = world.messages()
    asked, commit = Event(), Event()

    def late() -> None:
        with database.begin() as connection:
            with in_transaction(connection):  # at its end the request is made
                tx = Transaction(connection, task_id=new_id())
                if planted:  # as ON CONFLICT DO NOTHING does: the row is looked at, and not held
                    connection.execute(text("SELECT FROM unique_jobs WHERE key = :key"), {"key": world.key})
                else:
                    job.request(tx, world.key)
                tx.execute("UPDATE tasks.law_sources SET value = value + 1 WHERE key = :key", {"key": world.key})
            asked.set()
            assert commit.wait(PATIENCE_SECONDS)

    waits = text(
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%DELETE FROM unique_jobs%'"
    )
    with ThreadPoolExecutor(2) as pool:
        asking = pool.submit(late)
        assert asked.wait(PATIENCE_SECONDS)
        running = pool.submit(world.run, job, first)
        if not planted:
            with database.connect().execution_options(isolation_level="AUTOCOMMIT") as look:
                eventually(lambda: look.execute(waits).all(), what="the run waits for the request")
        else:
            running.result()
        commit.set()
        asking.result(), running.result()
    for task_id in world.waiting():
        world.run(job, task_id)
    source, copy = world.values()
    assert (source == copy) is not planted


def test_a_lost_job_is_replaced(database: Engine, declare: Callable[..., UniqueJob]) -> None:
    """A job that is later than `lost_after_seconds` is replaced; if its message still comes, it does nothing."""
    world = World(database)
    world.begin()
    job = declare(world, lost_after_seconds=600)
    world.request(job)
    world.request(job)
    with database.begin() as connection:
        late = text("UPDATE unique_jobs SET due_at = now() - interval '601 s' WHERE key = :key")
        connection.execute(late, {"key": world.key})
    world.request(job)
    lost, replacement = world.messages()

    world.run(job, lost)
    assert world.values() == (3, 0)
    world.run(job, replacement)
    assert world.values() == (3, 3)
    assert world.waiting() == []


def test_a_window_gathers(database: Engine, quiet: Stack, declare: Callable[..., UniqueJob]) -> None:
    """The first request opens a window, a request during a run the next one; each has one message, due at its end."""
    world = World(database)
    world.begin()
    job = declare(world, window_seconds=3600)
    for _ in range(5):
        world.request(job)
    [first] = world.messages()
    world.meanwhile = lambda: world.request(job)
    world.run(job, first)
    [_, second] = world.messages()
    ahead = (
        "SELECT extract(epoch FROM p.due_at - now()) FROM outbox_pending p JOIN outbox o USING (message_id) "
        "WHERE o.task_id = ANY (%s)"
    )
    seconds = [float(value) for (value,) in quiet.query(ahead, [UUID(first), UUID(second)], role=Role.OWNER)]
    assert len(seconds) == 2
    assert all(0 < value <= 3600 for value in seconds)
    assert world.values() == (6, 5), "the second one is still to come"
