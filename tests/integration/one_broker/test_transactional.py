"""`apply_async` inside a transaction: the message of a direct call, published if and only if that commits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.harness.load import drain
from tests.harness.messages import carried, channel, event
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

#: As an application would write it. The external class has no worker here, so its messages can be looked at.
_SEND = """
import sys, json
from uuid import uuid4
from celery.exceptions import TaskPredicate
from app.brokers.celery_app import celery_app
from app.brokers.transactional import in_transaction
from app.storage.engine import engine
from app.telemetry import context

context.connect()
how, queue, event = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
from app.tasks.user_events import ingest_user_event as task

def send():
    options = {"queue": queue, "headers": {"mine": "1"}, "priority": 3, "expires": 600}
    return task.apply_async(args=[[event]], **options)

if how == "direct":
    print(send().id)
elif how in ("retry", "replace"):
    ids = {"id": str(uuid4()), "root_id": str(uuid4())}
    came = {"exchange": "tasks", "routing_key": "0.0.1." + queue}
    task.push_request(args=[[event]], kwargs={}, retries=1, called_directly=False, delivery_info=came, **ids)
    try:
        with engine().begin() as connection, in_transaction(connection):
            send()
            raise task.retry(countdown=0) if how == "retry" else task.replace(task.s([event]).set(queue=queue))
    except TaskPredicate:
        print(ids["id"])
else:
    with engine().connect() as connection:
        transaction = connection.begin()
        with in_transaction(connection):
            print(send().id)
        transaction.rollback() if how == "rollback" else transaction.commit()
"""
_DIFFERENT = {"id", "root_id", "millrace_published_at", "origin", "expires", "timestamp"}


def _send(stack: Stack, how: str, queue: str, body: dict[str, Any]) -> str:
    python = {"entrypoint": ["python", "-c", _SEND]}
    return stack.run("worker-external", how, queue, json.dumps(carried(body)), options=python).split()[-1]


def _fetch(stack: Stack, queue: str) -> Any:
    with channel(stack) as opened:
        return eventually(lambda: opened.basic_get(queue, no_ack=True), what="a message arrives")


def test_message_equals_a_direct_one(single: Stack) -> None:
    """Body, properties and headers of a captured message are those of a direct one, times, ids and sender apart."""
    one = event()
    _send(single, "direct", "external", one)
    direct = _fetch(single, "external")
    _send(single, "commit", "external", one)
    captured = _fetch(single, "external")
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


def test_committed_task_is_published_and_executed(single: Stack) -> None:
    """A task sent in a transaction that commits is executed."""
    one = event()
    task_id = _send(single, "commit", "interactive", one)
    drain(single)
    assert single.query("SELECT event_id::text FROM events WHERE task_id = %s", task_id) == [(one["event_id"],)]


@pytest.mark.parametrize("how", ["retry", "replace"])
def test_what_takes_the_place_of_a_task_is_never_lost(single: Stack, how: str) -> None:
    """A3: the exception of `retry` and `replace` rolled back the message that was to come instead.

    It leaves at once; what the task sent besides goes with its transaction.
    """
    task_id = _send(single, how, "external", event())
    arrived = _fetch(single, "external")
    assert arrived.headers["id"] == task_id
    assert single.query("SELECT 1 FROM outbox_pending") == []
    with channel(single) as opened:
        assert opened.basic_get("external", no_ack=True) is None, "the transaction was rolled back"


def test_rolled_back_task_is_never_published(single: Stack) -> None:
    """A task sent in a transaction that rolls back leaves no trace."""
    task_id = _send(single, "rollback", "interactive", event())
    drain(single)
    assert single.query("SELECT 1 FROM outbox WHERE task_id = %s", task_id) == []
    assert single.query("SELECT 1 FROM events WHERE task_id = %s", task_id) == []
