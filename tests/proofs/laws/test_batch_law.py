"""The law of batches, for any task: each good item once, each bad one dead, and nothing else.

Hypothesis draws the items, whether their messages leave the outbox together, whose jobs are revoked and when workers
die; PostgreSQL is real, and the broker is a list, so that each delivery can be repeated and each death of a worker put
where it hurts.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
from celery.exceptions import Ignore
from hypothesis import given, settings, strategies as st
from pydantic import BaseModel
from sqlalchemy import Engine, create_engine, event

from app import contract
from app.brokers import transactional
from app.brokers.bundles import Carried, carried_of, parcels
from app.brokers.celery_app import celery_app
from app.brokers.transactional import captured
from app.contract import Role
from app.kinds import PoisonError, Transaction, base, batches, once_in_batches
from app.kinds.batches import BatchTask
from app.storage.inbox import dedupe_key
from app.storage.outbox import ClaimedMessage, OutboxMessage
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

    body: bytes
    headers: dict[str, Any]
    times: int = 1

    def again(self) -> Delivery:
        """The same, once more."""
        return replace(self, times=self.times + 1)

    @property
    def items(self) -> list[Carried]:
        """What it holds."""
        return carried_of(json.loads(self.body)[0][0], self.headers)


def deliveries(messages: Sequence[OutboxMessage]) -> list[Delivery]:
    """The messages as a relay sends them."""
    claimed = [
        ClaimedMessage(
            message_id=m.message_id, task_id=m.task_id, job_id=m.job_id, task_name=m.task_name, queue=m.queue,
            properties=m.properties, body=m.body,
        )
        for m in messages
    ]  # fmt: skip
    sent = [parcel.message for parcel in parcels(claimed)]
    return [Delivery(body=one.body, headers=one.properties["application_headers"]) for one in sent]


class Queue:
    """A queue and its dead letters; what a transaction sends arrives with its commit."""

    def __init__(self) -> None:
        self.ready: deque[Delivery] = deque()
        self.dead: list[Delivery] = []
        self._sent: list[OutboxMessage] = []

    def send(self, _: object, messages: list[OutboxMessage], **_options: object) -> None:
        """In the place of the outbox."""
        self._sent.extend(messages)

    def commit(self, _: object) -> None:
        """What was sent is there."""
        self.ready.extend(deliveries(self._sent))
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
    for module in (batches, base):
        monkeypatch.setattr(module, "engine", lambda: database)
    monkeypatch.setattr(batches, "failpoint", lambda _: None)
    made = once_in_batches(name=TASK)(execute)
    assert isinstance(made, BatchTask)
    yield made
    database.dispose()
    celery_app.tasks.pop(TASK)
    single.query("DROP TABLE tasks.law", role=Role.OWNER)


def _run(task: BatchTask, delivery: Delivery) -> None:
    [args, kwargs, _] = json.loads(delivery.body)
    task.push_request(
        **delivery.headers, args=args, kwargs=kwargs, hostname="w@h", headers={},
        delivery_info={"redelivered": delivery.times > 1}, called_directly=False, is_eager=False,
    )  # fmt: skip
    try:
        task._execute_or_drop(tuple(args), kwargs)
    finally:
        task.pop_request()


def _deliver(task: BatchTask, queue: Queue, *, dies: Iterator[bool], has_copy: Iterator[bool]) -> None:
    """Give the next message to a worker."""
    delivery = queue.ready.popleft()
    if len(delivery.items) > 1 and next(has_copy, False):
        queue.ready.append(delivery)
        delivery = delivery.again()
    try:
        _run(task, delivery)
    except WorkerDiedError:
        queue.reject(delivery, requeue=True)
    except Ignore:
        pass  # its job was revoked
    except Exception:  # noqa: BLE001 - it fails for good; the retries before that are another test's
        queue.reject(delivery, requeue=False)
    else:
        if next(dies, False):
            queue.ready.append(delivery.again())


def _carried(key: str, fate: Fate) -> dict[str, Any]:
    item = {"key": key} if fate == "refused" else {"key": key, "fate": fate}
    return {"key": key, "item": json.dumps(item)}


@settings(max_examples=60)
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
    copies=st.lists(st.booleans(), max_size=12),
    revoked=st.sets(st.integers(0, 3), max_size=2),
    together=st.booleans(),
)  # fmt: skip
def test_each_good_item_once_each_bad_one_dead(
    single: Stack, task: BatchTask, sent: list[list[tuple[int, Fate]]], deaths: list[bool], copies: list[bool],
    revoked: set[int], *, together: bool,
) -> None:  # fmt: skip
    """Batches may share items; a worker may die after any commit, and then its message comes again.

    It may also die after it sent a retry: then the retry's copy comes, and so does the message.
    """
    run = uuid4().hex
    fates: dict[int, Fate] = {}
    queue = Queue()
    jobs = [uuid4() for _ in sent]
    with captured() as messages:
        for job_id, items in zip(jobs, sent, strict=True):
            # An item is what it is, in every batch that holds it.
            batch = [_carried(f"{run}-{number}", fates.setdefault(number, fate)) for number, fate in items]
            task.apply_async([batch], headers={contract.MESSAGE_JOB_ID: str(job_id)})
    queue.ready.extend(
        deliveries(messages) if together else [one for message in messages for one in deliveries([message])]
    )
    gone = [job_id for index, job_id in enumerate(jobs) if index in revoked]
    single.query("INSERT INTO job_revocations (job_id) SELECT unnest(%s::uuid[])", gone, role=Role.OWNER)
    dies, has_copy = iter(deaths), iter(copies)
    database = batches.engine()
    for name in ("commit", "rollback"):
        event.listen(database, name, getattr(queue, name))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(transactional.outbox, "enqueue", queue.send)
        while queue.ready:
            _deliver(task, queue, dies=dies, has_copy=has_copy)
    for name in ("commit", "rollback"):
        event.remove(database, name, getattr(queue, name))

    _judge(single, run, queue, sent=sent, fates=fates, jobs=jobs, revoked=revoked)


def _judge(
    single: Stack, run: str, queue: Queue, *, sent: list[list[tuple[int, Fate]]], fates: dict[int, Fate],
    jobs: list[UUID], revoked: set[int],
) -> None:  # fmt: skip
    gone = [job_id for index, job_id in enumerate(jobs) if index in revoked]
    wanted = {number for index, items in enumerate(sent) if index not in revoked for number, _ in items}
    done = Counter(key for (key,) in single.query("SELECT key FROM tasks.law WHERE key LIKE %s", f"{run}-%"))
    assert done == Counter(f"{run}-{number}" for number in wanted if fates[number] == "good")
    dead = Counter((one.item["key"], one.headers[contract.MESSAGE_JOB_ID]) for one in _dead(queue))
    bad = Counter(
        (f"{run}-{number}", str(jobs[index]))
        for index, items in enumerate(sent) if index not in revoked
        for number, _ in items if fates[number] != "good"
    )  # fmt: skip
    assert {item: times for item, times in dead.items() if UUID(item[1]) not in gone} == dict(bad), "once for each send"
    assert all(len(delivery.items) == 1 for delivery in queue.dead), "a bad item took its neighbours along"
    dropped = {
        (str(job_id), key)
        for job_id, key in single.query("SELECT job_id, dedupe_key FROM dropped_items WHERE job_id = ANY (%s)", gone)
    }
    of_revoked = [(str(jobs[index]), f"{run}-{n}") for index in revoked if index < len(sent) for n, _ in sent[index]]
    for job, name in of_revoked:
        ends = (job, dedupe_key(TASK, "", name)) in dropped, (name, job) in dead, name in done
        assert any(ends), "an item of a revoked job has no end"


def _dead(queue: Queue) -> list[Carried]:
    return [one for delivery in queue.dead for one in delivery.items]
