"""The worker's connection: its steps, its queues, and which messages it lets through."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.brokers.celery_app import celery_app
from app.worker.consumer import MillraceConsumer, flaw_of

TASK = {"task": "ingest_user_event", "id": "1"}


def test_a_worker_declares_nothing_and_gossips_with_nobody() -> None:
    """The steps that cost a second at each reconnect, or a permission, are left out; the heartbeat is in."""
    names = set(MillraceConsumer.Blueprint().claim_steps())

    assert not {name for name in names if "DelayedDelivery" in name or "Gossip" in name or "Mingle" in name}
    assert any(name.endswith("Heartbeat") for name in names)
    assert any(name.endswith("Tasks") for name in names)


def test_every_connection_has_a_control_queue_of_its_own() -> None:
    """With a fixed name a worker never resumes while its killed node stays dead (RabbitMQ 4.3)."""
    mailbox = celery_app.control.mailbox

    names = {mailbox.get_queue("interactive@host").name for _ in range(3)}

    assert len(names) == 3


def test_the_connection_for_events_waits_for_no_confirms() -> None:
    """With confirms, a dead node's event queue would stop every worker. Tasks are still confirmed."""
    consumer: Any = MillraceConsumer.__new__(MillraceConsumer)
    consumer.app = celery_app
    consumer.ensure_connected = lambda connection: connection

    events = consumer.connection_for_write(heartbeat=5)

    assert events.transport_options["confirm_publish"] is False
    assert events.heartbeat == 5
    assert celery_app.connection_for_write().transport_options["confirm_publish"] is True


@pytest.mark.parametrize(
    ("headers", "payload", "flawed"),
    [
        (TASK, [[], {}, {}], False),
        (TASK, [[], {}, None], False),
        (TASK, {"a": 1}, True),
        (TASK, None, True),
        (TASK, [[], {}], True),
        (TASK, [{}, [], {}], True),
        ({"task": "ingest_user_event"}, [[], {}, {}], True),
        ({"task": 7, "id": "1"}, [[], {}, {}], True),
        ({}, {"task": "protocol one"}, False),
        (None, {}, False),
    ],
)
def test_a_message_that_would_end_the_worker_is_told(headers: Any, payload: Any, *, flawed: bool) -> None:
    """Celery takes for granted that a task has an id and a body of [args, kwargs, embed]; else the worker ends."""
    assert (flaw_of(SimpleNamespace(headers=headers, payload=payload)) is not None) == flawed
