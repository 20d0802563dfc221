"""The law of batches, for any task: each good item once, each bad one dead, and nothing else.

Hypothesis draws the items and when workers die; PostgreSQL is real, and the broker is a list, so that each delivery can
be repeated and each death of a worker put where it hurts.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import BaseModel
from sqlalchemy import Engine, create_engine, event

from app.brokers import transactional
from app.brokers.celery_app import celery_app
from app.contract import Role
from app.kinds import PoisonError, Transaction, batches, once_in_batches
from app.kinds.batches import BatchTask
from app.storage.outbox import OutboxMessage
from tests.harness.stack import Stack

#: Deliveries after which the broker gives a message up.
DELIVERY_LIMIT = 3
TASK = "law_of_batches"

Fate = Literal["good", "raises", "poison", "unstorable", "refused", "kills"]
#: Half of them good.
FATES: list[Fate] = ["raises", "poison", "unstorable", "refused", "kills", *["good"] * 5]  # type: ignore[list-item]


class Item(BaseModel):
    """An item that says what happens to it."""

    key: str
    fate: Fate


class WorkerDiedError(BaseException):
    """No handler of the task sees this, as none sees SIGKILL."""


def execute(items: list[Item], tx: Transaction) -> None:
    """Leave a row for each item, before anything goes wrong."""
    for item in items:
        tx.execute("INSERT INTO tasks.law VALUES (:key)", {"key": item.key})
    for item in items:
        match item.fate:
            case "raises":
                raise ValueError(item.key)
            case "poison":
                raise PoisonError(item.key)
            case "unstorable":
                tx.execute("SELECT cast(:text AS integer)", {"text": "no number"})
            case "kills":
                raise WorkerDiedError


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A message in a queue."""

    batch: list[Any]
    task_id: str
    times: int = 1

    def again(self) -> Delivery:
        """The same, once more."""
        return Delivery(batch=self.batch, task_id=self.task_id, times=self.times + 1)


class Queue:
    """A queue and its dead letters; what a transaction sends arrives with its commit."""

    def __init__(self) -> None:
        self.ready: deque[Delivery] = deque()
        self.dead: list[Delivery] = []
        self._sent: list[OutboxMessage] = []

    def send(self, _: object, messages: list[OutboxMessage]) -> None:
        """In the place of the outbox."""
        self._sent.extend(messages)

    def commit(self, _: object) -> None:
        """What was sent is there."""
        for message in self._sent:
            [[batch], _kwargs, _embed] = json.loads(message.body)
            self.ready.append(Delivery(batch=batch, task_id=str(message.task_id)))
        self._sent.clear()

    def rollback(self, _: object) -> None:
        """It never was."""
        self._sent.clear()

    def reject(self, delivery: Delivery, *, requeue: bool) -> None:
        """As RabbitMQ does."""
        if requeue and delivery.times < DELIVERY_LIMIT:
            self.ready.append(delivery.again())
        else:
            self.dead.append(delivery)


@pytest.fixture
def task(single: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchTask]:
    """A task in batches whose transactions are the stack's."""
    single.query("CREATE TABLE IF NOT EXISTS tasks.law (key text NOT NULL)", role=Role.OWNER)

    def connect() -> Any:
        connection = single.database(Role.WORKER)
        connection.autocommit = False
        return connection

    database: Engine = create_engine("postgresql+psycopg://", creator=connect)
    monkeypatch.setattr(batches, "engine", lambda: database)
    monkeypatch.setattr(batches, "failpoint", lambda _: None)
    made = once_in_batches(name=TASK)(execute)
    assert isinstance(made, BatchTask)
    yield made
    database.dispose()
    celery_app.tasks.pop(TASK)
    single.query("DROP TABLE tasks.law", role=Role.OWNER)


def _run(task: BatchTask, delivery: Delivery) -> None:
    task.push_request(
        id=delivery.task_id, args=[delivery.batch], kwargs={}, retries=0, hostname="w@h", headers={},
        delivery_info={"redelivered": delivery.times > 1}, called_directly=False, is_eager=False,
    )  # fmt: skip
    try:
        task.execute((delivery.batch,), {})
    finally:
        task.pop_request()


def _carried(key: str, fate: Fate) -> dict[str, Any]:
    item = {"key": key} if fate == "refused" else {"key": key, "fate": fate}
    return {"key": key, "item": json.dumps(item)}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sent=st.lists(
        st.lists(
            st.tuples(st.integers(0, 12), st.sampled_from(FATES)),
            min_size=1,
            max_size=12,
        ),
        min_size=1,
        max_size=4,
    ),
    deaths=st.lists(st.booleans(), max_size=12),
)  # fmt: skip
def test_each_good_item_once_each_bad_one_dead(
    single: Stack, task: BatchTask, sent: list[list[tuple[int, Fate]]], deaths: list[bool]
) -> None:
    """Batches may share items; a worker may die after any commit, and then its message comes again."""
    run = uuid4().hex
    fates: dict[int, Fate] = {}
    queue = Queue()
    for items in sent:
        # An item is what it is, in every batch that holds it.
        carried = [_carried(f"{run}-{number}", fates.setdefault(number, fate)) for number, fate in items]
        queue.ready.append(Delivery(batch=carried, task_id=str(uuid4())))
    dies = iter(deaths)
    database = batches.engine()
    for name in ("commit", "rollback"):
        event.listen(database, name, getattr(queue, name))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(transactional.outbox, "enqueue", queue.send)
        while queue.ready:
            delivery = queue.ready.popleft()
            try:
                _run(task, delivery)
            except WorkerDiedError:
                queue.reject(delivery, requeue=True)
            except Exception:  # noqa: BLE001 - it fails for good; the retries before that are another test's
                queue.reject(delivery, requeue=False)
            else:
                if next(dies, False):
                    queue.ready.append(delivery.again())
    for name in ("commit", "rollback"):
        event.remove(database, name, getattr(queue, name))

    done = Counter(key for (key,) in single.query("SELECT key FROM tasks.law WHERE key LIKE %s", f"{run}-%"))
    assert done == Counter(f"{run}-{number}" for number, fate in fates.items() if fate == "good")
    dead = Counter(item["key"] for delivery in queue.dead for item in delivery.batch)
    bad = [number for items in sent for number, _ in items if fates[number] != "good"]
    assert dead == Counter(f"{run}-{number}" for number in bad), "once for each time that it was sent"
    assert all(len(delivery.batch) == 1 for delivery in queue.dead), "a bad item took its neighbours along"
