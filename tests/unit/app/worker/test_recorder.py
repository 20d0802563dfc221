"""Records of the worker's main process: the event loop goes on, and a message is rejected after its record."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from billiard.einfo import ExceptionInfo
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker import state
from kombu.asynchronous import Hub, get_event_loop, set_event_loop
from kombu.message import Message

from app import contract
from app.brokers.celery_app import celery_app
from app.kinds.base import MillraceTask
from app.storage.failures import TaskFailure
from app.worker import recorder as module, request as request_module
from app.worker.consumer import MillraceConsumer
from app.worker.recorder import Recorder
from app.worker.request import MillraceRequest
from tests.harness.waiting import eventually

JOB, TASK = UUID(int=1), UUID(int=2)
NAME = "tests.recorded"
HEADERS: dict[str, Any] = {"task": NAME, "id": str(TASK), "retries": 2, contract.MESSAGE_JOB_ID: str(JOB)}
#: Bytes, as from the broker, where kombu's type has text.
BODY: Any = json.dumps([[], {}, {}]).encode()


def _nothing(_self: MillraceTask) -> None:
    pass


@pytest.fixture(autouse=True)
def task() -> Iterator[MillraceTask]:
    """A task like those that work."""
    yield celery_app.task(base=MillraceTask, bind=True, name=NAME, shared=False)(_nothing)
    celery_app.tasks.pop(NAME)


class Database:
    """Takes records when it is not frozen."""

    def __init__(self, events: list[Any]) -> None:
        """Not frozen."""
        self.awake = threading.Event()
        self.awake.set()
        self._events = events

    def record(self, failures: list[TaskFailure]) -> None:
        """In place of `record_quietly`; at the end of a red test it must not hang for ever."""
        self.awake.wait(60)
        self._events.extend(failures)


@pytest.fixture
def events() -> list[Any]:
    """What happened, in its order: records and rejects."""
    return []


@pytest.fixture
def database(events: list[Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database, and a recorder that writes to it."""
    made = Database(events)
    monkeypatch.setattr(module, "record_quietly", made.record)
    fresh = Recorder()
    monkeypatch.setattr(request_module, "recorder", fresh)
    monkeypatch.setattr("app.worker.consumer.recorder", fresh)
    yield made
    made.awake.set()
    fresh.close()


@pytest.fixture
def hub() -> Iterator[Hub]:
    """The event loop of this thread."""
    before, made = get_event_loop(), Hub()
    set_event_loop(made)
    yield made
    set_event_loop(before)
    made.close()


def turn(hub: Hub, until: Any) -> None:
    """Let the loop turn until something is so."""

    def turned() -> bool:
        hub.call_soon(lambda: None)  # so that it does not sleep
        hub.run_once()
        return bool(until())

    eventually(turned, what="the loop did it", every=0.01)


def request_of(events: list[Any]) -> MillraceRequest:
    """A third attempt in the hands of the pool; its reject is one of the events."""
    message = Message(
        body=BODY, headers=HEADERS, content_type="application/json", content_encoding="utf-8", properties={},
        delivery_info={},
    )  # fmt: skip
    return MillraceRequest(
        message, app=celery_app, task=celery_app.tasks[NAME], hostname="bulk@host", headers=HEADERS,
        on_ack=lambda *_: events.append("ack"),
        on_reject=lambda _log, _errors, requeue: events.append(("reject", requeue)),
    )  # fmt: skip


def lost() -> ExceptionInfo:
    """What the pool says when a child was killed."""
    try:
        raise WorkerLostError("signal 9")
    except WorkerLostError:
        return ExceptionInfo()


def overran(request: MillraceRequest) -> None:
    """A hard time limit, as the pool tells it: the child was killed as well."""
    try:
        raise TimeLimitExceeded(90)
    except TimeLimitExceeded:
        request.on_failure(ExceptionInfo())
    request.on_timeout(soft=False, timeout=90)
    request.on_failure(lost())


@pytest.mark.parametrize(
    ("end", "reason", "requeue"),
    [(overran, "time_limit", False), (lambda request: request.on_failure(lost()), "worker_lost", True)],
)
def test_a_record_of_the_parent_is_whole_and_comes_first(
    end: Any, reason: str, requeue: bool, events: list[Any], database: Database, hub: Hub
) -> None:
    """A10: a frozen PostgreSQL does not stop the loop; the record has job, attempt and worker; then it rejects."""
    database.awake.clear()
    end(request_of(events))
    assert not events

    database.awake.set()
    turn(hub, lambda: len(events) > 1)
    record, reject = events
    assert (record.job_id, record.task_id, record.attempt) == (JOB, TASK, 3)
    assert (record.worker, record.task_name, record.reason) == ("bulk@host", NAME, reason)
    assert reject == ("reject", requeue)


def test_a_reject_does_not_wait_for_ever(
    events: list[Any], database: Database, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A10: PostgreSQL stays frozen; the message leaves without its record, once."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.0)
    database.awake.clear()
    overran(request_of(events))
    turn(hub, lambda: events)
    assert events == [("reject", False)]

    database.awake.set()
    turn(hub, lambda: len(events) > 1)
    turn(hub, lambda: True)
    assert events.count(("reject", False)) == 1


def test_records_that_wait_are_bounded(
    events: list[Any], database: Database, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A10: what no longer fits leaves at once, without a record."""
    monkeypatch.setattr(module, "_MOST_WAITING", 1)
    monkeypatch.setattr(request_module, "recorder", Recorder())
    database.awake.clear()
    requests = [request_of(events) for _ in range(3)]
    for request in requests:
        request.on_failure(lost())
    assert events
    assert set(events) == {("reject", True)}
    database.awake.set()
    turn(hub, lambda: events.count(("reject", True)) == len(requests))


@pytest.mark.usefixtures("hub")
def test_a_worker_that_stops_still_records_first(
    events: list[Any], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its loop turns no more, so nothing may be left to it."""
    assert database.awake.is_set()
    monkeypatch.setattr(state, "should_stop", 0)
    request_of(events).on_failure(lost())
    assert [type(event) for event in events] == [TaskFailure, tuple]


def test_what_the_consumer_rejects_is_recorded_first(events: list[Any], database: Database, hub: Hub) -> None:
    """BR-14, BR-40: with the flaw in words, whatever the id looks like, and one reject."""
    consumer: Any = MillraceConsumer.__new__(MillraceConsumer)
    consumer.app, consumer.hostname, consumer.connection_errors = celery_app, "bulk@host", ()
    headers = HEADERS | {"id": "order-7", "timelimit": 90}
    message = Message(
        body=BODY, headers=headers, properties={"user_id": "relay"}, content_type="application/json",
        content_encoding="utf-8",
    )  # fmt: skip
    message.reject_log_error = lambda *_: events.append("reject")  # type: ignore[method-assign]  # to see it called
    consumer.strategies, consumer.call_soon_ack, consumer.on_task_message = {}, None, ()
    database.awake.clear()
    consumer.create_task_handler()(message)
    assert not events

    database.awake.set()
    turn(hub, lambda: len(events) > 1)
    record, reject = events
    assert record.exception_message == "the header `timelimit` is 90, not two numbers of seconds, or nulls"
    assert (record.reason, record.attempt, record.worker, record.job_id) == ("undecodable", 3, "bulk@host", JOB)
    assert reject == "reject"


def _is_held() -> bool:
    """Whether another thread would have to wait for the lock."""

    def attempt() -> bool:
        if not module.no_fork.acquire(blocking=False):
            return True
        module.no_fork.release()
        return False

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(attempt).result()


def test_no_child_is_forked_while_a_connection_is_made() -> None:
    """A10: the child would inherit the locks of a thread that it does not have; afterwards both go on."""
    dialect = SimpleNamespace(connect=lambda *_, **__: _is_held())
    assert module.connect_without_forks(dialect, None, (), {})

    child = os.fork()
    if child == 0:
        os._exit(int(_is_held()))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not _is_held()
