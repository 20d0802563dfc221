"""The law of steps: under any redeliveries and deaths each step is done once, in order, and none is left out.

Hypothesis draws deliveries, deaths and the length of slices; PostgreSQL is real, and the outbox is the broker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from celery.exceptions import Ignore
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from pydantic import BaseModel
from sqlalchemy import Engine, text

from app import contract
from app.brokers.celery_app import celery_app
from app.contract import Role
from app.errors import PoisonError
from app.kinds import Transaction
from app.patterns import stepped_task
from app.patterns.stepped_task import SteppedTask
from app.patterns.steps import in_steps
from app.storage import checkpoints
from tests.harness.stack import Stack

#: A slice of one step, and one that holds all.
SHORT, LONG = 1e-9, 30.0
#: The step in which its worker dies, if it does.
DEATHS = [None, None, None, 0, 1, 2]


class DiedError(BaseException):
    """Stands for SIGKILL: no exception handler catches it."""


class Run(BaseModel):
    """A task with this number of steps."""

    run: str
    steps: int


class Position(BaseModel):
    """The next step."""

    step: int = 0


class World:
    """A task, and the delivery of its messages."""

    def __init__(self, owner: psycopg.Connection[Any], task: SteppedTask, count: int) -> None:
        self.owner, self.task = owner, task
        self.delivered: set[str] = set()
        self.job = Run(run=uuid4().hex, steps=count)
        self.first = {"id": str(uuid4()), "headers": {contract.MESSAGE_KEY: self.job.run, "expires": "2020-01-01"}}

    def messages(self) -> list[dict[str, Any]]:
        """All messages so far, the oldest first."""
        rows = self.owner.execute(
            "SELECT task_id, properties->'application_headers' FROM outbox WHERE task_name = 'law_steps' "
            "AND properties->'application_headers'->>%s = %s ORDER BY message_id",
            (contract.MESSAGE_KEY, self.job.run),
        )
        return [self.first, *({"id": str(task_id), "headers": headers} for task_id, headers in rows)]

    def waiting(self) -> int:
        """The number of messages that were not run to their end."""
        return len({_slice(message) for message in self.messages()} - self.delivered)

    def deliver(self, message: dict[str, Any], *, dies_at: int | None = None, slice_seconds: float = SHORT) -> None:
        """Run a message as a worker's child does."""
        item = self.job.model_dump_json()
        request: dict[str, Any] = {"args": [item], "kwargs": {}, "retries": 0, "delivery_info": {}, "hostname": "w@h"}
        own = {name: value for name, value in message["headers"].items() if name.startswith("millrace_")}
        self.task.push_request(
            id=message["id"], headers=own, called_directly=False, is_eager=False, **request, **own
        )  # fmt: skip
        try:
            with pytest.MonkeyPatch.context() as patched, suppress(DiedError):
                patched.setattr(self.task, "slice_seconds", slice_seconds, raising=False)
                patched.setattr(World, "dies_at", dies_at, raising=False)
                with suppress(Ignore, PoisonError):  # the latter if an end was forgotten
                    self.task.execute((item,), {})
                self.delivered.add(_slice(message))
        finally:
            self.task.pop_request()

    def check(self) -> None:
        """Check that each step was done once, in order, and that no checkpoint is left."""
        done = self.owner.execute("SELECT step FROM tasks.law_steps WHERE run = %s ORDER BY at", (self.job.run,))
        assert [step for (step,) in done] == list(range(self.job.steps))
        left = self.owner.execute("SELECT 1 FROM checkpoints WHERE task_name = 'law_steps'").fetchall()
        assert left == [], "a task that has ended left a checkpoint"
        later = self.messages()[1:]
        slices = [message["headers"][contract.MESSAGE_SLICE] for message in later]
        assert slices == list(range(1, len(later) + 1)), "two messages of one slice"
        assert all(message["headers"]["expires"] is None for message in later), "what has begun does not expire"


def _slice(message: dict[str, Any]) -> str:
    return str(message["headers"].get(contract.MESSAGE_SLICE, 0))


def law_steps(job: Run, position: Position, tx: Transaction) -> Position | None:
    """Write a row; then the worker may die."""
    tx.execute("INSERT INTO tasks.law_steps (run, step) VALUES (:run, :step)", {"run": job.run, "step": position.step})
    if getattr(World, "dies_at", None) == position.step:
        raise DiedError
    return Position(step=position.step + 1) if position.step + 1 < job.steps else None


@pytest.fixture
def task(quiet: Stack, database: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[SteppedTask]:
    """The task, with transactions on the stack's PostgreSQL."""
    table = "tasks.law_steps (run text, step int, at timestamptz DEFAULT clock_timestamp())"
    quiet.query(f"CREATE TABLE IF NOT EXISTS {table}", role=Role.OWNER)
    monkeypatch.setattr(stepped_task, "engine", lambda: database)
    made = in_steps(key="run")(law_steps)
    assert isinstance(made, SteppedTask)
    yield made
    celery_app.tasks.pop("law_steps")
    quiet.query("DELETE FROM checkpoints", role=Role.OWNER)


@pytest.fixture
def owner(quiet: Stack) -> Iterator[psycopg.Connection[Any]]:
    """A session of the database's owner."""
    with quiet.database(Role.OWNER) as session:
        yield session


def law(owner: psycopg.Connection[Any], task: SteppedTask, examples: int) -> None:
    """Check the law on this many examples."""

    @settings(
        max_examples=examples, derandomize=True, deadline=None, database=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(
        count=st.integers(2, 5),
        deliveries=st.lists(
            st.tuples(st.integers(0, 5), st.sampled_from(DEATHS), st.sampled_from([SHORT, SHORT, LONG])),
            min_size=2,
            max_size=8,
        ),
    )
    def holds(count: int, deliveries: list[tuple[int, int | None, float]]) -> None:
        world = World(owner, task, count)
        for index, dies_at, slice_seconds in deliveries:
            messages = world.messages()
            world.deliver(messages[index % len(messages)], dies_at=dies_at, slice_seconds=slice_seconds)
            assert world.waiting() <= 1, "an older message went on beside the newest"
        for _ in range(2):
            delivered = 0
            while delivered < len(world.messages()):
                world.deliver(world.messages()[delivered])
                delivered += 1
        world.check()

    holds()


def test_each_step_once(owner: psycopg.Connection[Any], task: SteppedTask) -> None:
    """Each step is done once, in order, whatever happens."""
    law(owner, task, examples=20)


def _older_messages_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted bug: the number of the slice is ignored."""
    lock = checkpoints.lock

    def any_slice(*arguments: Any) -> checkpoints.Checkpoint | None:
        found = lock(*arguments)
        return found and replace(found, slice=_Any(found.slice))

    monkeypatch.setattr(checkpoints, "lock", any_slice)


class _Any(int):
    __hash__ = int.__hash__

    def __ne__(self, other: object) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return True


def _an_end_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted bug: a second delivery after the end begins anew."""
    monkeypatch.setattr(checkpoints, "_LOCK", text(str(checkpoints._LOCK).replace("dedupe_key = run_id", "false")))


@pytest.mark.parametrize("plant", [_older_messages_go_on, _an_end_is_forgotten])
def test_the_law_finds(
    plant: Callable[[pytest.MonkeyPatch], None], owner: psycopg.Connection[Any], task: SteppedTask
) -> None:
    """The law finds each of these planted bugs."""
    with pytest.MonkeyPatch.context() as patched:
        plant(patched)
        with pytest.raises(AssertionError):
            law(owner, task, examples=60)
