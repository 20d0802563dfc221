"""`apply_async` inside a transaction: the message of a direct call, published if and only if that commits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.harness.load import drain
from tests.harness.messages import carried, channel, event
from tests.harness.stack import Stack
from tests.harness.stacks import healed
from tests.harness.waiting import eventually

#: As an application would write it, in one process: each start of one takes seconds.
_SEND = """
import sys, json
from uuid import uuid4
from celery.exceptions import TaskPredicate
from app.brokers.celery_app import celery_app
from app.brokers.transactional import in_transaction
from app.storage.engine import engine
from app.telemetry import context

context.connect()
from app.tasks.user_events import ingest_user_event as task

def send(queue, event):
    options = {"queue": queue, "headers": {"mine": "1"}, "priority": 3, "expires": 600}
    return task.apply_async(args=[[event]], **options).id

def instead(how, queue, event):
    ids = {"id": str(uuid4()), "root_id": str(uuid4())}
    came = {"exchange": "tasks", "routing_key": "0.0.1." + queue}
    task.push_request(args=[[event]], kwargs={}, retries=1, called_directly=False, delivery_info=came, **ids)
    try:
        with engine().begin() as connection, in_transaction(connection):
            send(queue, event)
            raise task.retry(countdown=0) if how == "retry" else task.replace(task.s([event]).set(queue=queue))
    except TaskPredicate:
        return ids["id"]
    finally:
        task.pop_request()

def inside(how, queue, event):
    with engine().connect() as connection:
        transaction = connection.begin()
        with in_transaction(connection):
            task_id = send(queue, event)
        transaction.rollback() if how == "rollback" else transaction.commit()
    return task_id

sent = {}
for name, how, queue, event in json.loads(sys.argv[1]):
    match how:
        case "direct":
            sent[name] = send(queue, event)
        case "retry" | "replace":
            sent[name] = instead(how, queue, event)
        case _:
            sent[name] = inside(how, queue, event)
print(json.dumps(sent))
"""
#: The external class has no worker here, so its messages can be looked at.
_LOOKED_AT = ("direct", "commit", "retry", "replace")
_EXECUTED, _ROLLED_BACK = "commit and execute", "rollback"
_DIFFERENT = {"id", "root_id", "millrace_published_at", "origin", "expires", "timestamp"}


@dataclass(frozen=True)
class Sent:
    """The ids of sent tasks by the way of sending, and the messages that came."""

    ids: dict[str, str]
    event: dict[str, Any]
    messages: list[Any]

    def message(self, how: str) -> Any:
        """The only message of the task that was sent in this way."""
        (found,) = [message for message in self.messages if message.headers["id"] == self.ids[how]]
        return found


@pytest.fixture(scope="module")
def sent(_single: Stack) -> Sent:
    """Send a task in every way, and gather all messages."""
    healed(_single)
    one = event()
    orders = [(how, how, "external", carried(one)) for how in _LOOKED_AT]
    orders += [
        (_EXECUTED, "commit", "interactive", carried(one)),
        (_ROLLED_BACK, "rollback", "interactive", carried(one)),
    ]
    ids = json.loads(_single.script("worker-external", _SEND, json.dumps(orders)).splitlines()[-1])
    with channel(_single) as opened:

        def arrived() -> Iterator[Any]:
            while message := opened.basic_get("external", no_ack=True):
                yield message

        messages: list[Any] = []

        def complete() -> bool:
            messages.extend(arrived())
            return {message.headers["id"] for message in messages} >= {ids[how] for how in _LOOKED_AT}

        eventually(complete, what="each way's message arrives")
        eventually(lambda: not _single.query("SELECT 1 FROM outbox_pending"), what="the outbox is empty")
        messages.extend(arrived())
    return Sent(ids, one, messages)


def test_message_equals_a_direct_one(sent: Sent) -> None:
    """Body, properties and headers of a captured message are those of a direct one, times, ids and sender apart."""
    captured, direct = sent.message("commit"), sent.message("direct")
    assert captured.body == direct.body
    assert captured.delivery_info["exchange"] == direct.delivery_info["exchange"]
    assert captured.delivery_info["routing_key"] == direct.delivery_info["routing_key"]
    headers = [dict(message.headers) for message in (captured, direct)]
    assert headers[0].keys() == headers[1].keys()
    captured_headers, direct_headers = ({k: v for k, v in h.items() if k not in _DIFFERENT} for h in headers)
    assert captured_headers == direct_headers
    properties = [dict(message.properties) for message in (captured, direct)]
    assert [mine.pop("user_id") for mine in properties] == ["relay", "worker"]
    for mine in properties:
        for name in ("application_headers", "correlation_id", "message_id", "reply_to", "expiration", "timestamp"):
            mine.pop(name, None)
    assert properties[0] == properties[1]
    assert captured.properties["correlation_id"] == captured.headers["id"]


def test_committed_task_is_published_and_executed(_single: Stack, sent: Sent) -> None:  # noqa: PT019 - nothing to heal
    """A task sent in a transaction that commits is executed."""
    drain(_single)
    stored = _single.query("SELECT event_id::text FROM events WHERE task_id = %s", sent.ids[_EXECUTED])
    assert stored == [(sent.event["event_id"],)]


def test_what_takes_the_place_of_a_task_is_never_lost(sent: Sent) -> None:
    """A3: the exception of `retry` and `replace` rolled back the message that was to come instead.

    It leaves at once; what the task sent besides goes with its transaction.
    """
    came = sorted(message.headers["id"] for message in sent.messages)
    assert came == sorted(sent.ids[how] for how in _LOOKED_AT)


def test_rolled_back_task_is_never_published(_single: Stack, sent: Sent) -> None:  # noqa: PT019 - nothing to heal
    """A task sent in a transaction that rolls back leaves no trace."""
    drain(_single)
    assert _single.query("SELECT 1 FROM outbox WHERE task_id = %s", sent.ids[_ROLLED_BACK]) == []
    assert _single.query("SELECT 1 FROM events WHERE task_id = %s", sent.ids[_ROLLED_BACK]) == []
