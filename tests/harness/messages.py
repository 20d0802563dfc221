"""Messages and sessions by hand, over AMQP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import amqp

from app import contract
from app.contract import Role
from tests.harness.stack import Stack


def event(user_id: str = "somebody", *, event_id: str | None = None, **payload: Any) -> dict[str, Any]:
    """An event that the gateway accepts."""
    return {
        "event_id": event_id or str(uuid4()),
        "type": "test",
        "occurred_at": datetime.now(UTC).isoformat(),
        "payload": {"user_id": user_id, "amount": 1, **payload},
    }


def carried(body: dict[str, Any]) -> dict[str, Any]:
    """An event as an item of a batch: the payload is JSON text."""
    return {"key": body["event_id"], "item": {**body, "payload": json.dumps(body["payload"])}}


@contextmanager
def channel(stack: Stack, role: str = Role.OPERATOR, *, password: str | None = None) -> Iterator[Any]:
    """A channel of a role's on the first node."""
    connection = amqp.Connection(
        host=f"127.0.0.1:{stack.port(stack.nodes[0], contract.PORT_AMQPS)}",
        userid=str(role),
        password=stack.password(role, "rabbitmq") if password is None else password,
        virtual_host=contract.VHOST,
        ssl={"ca_certs": str(stack.ca_file), "server_hostname": "localhost"},
        connect_timeout=30,
        read_timeout=60,
        write_timeout=60,
    )
    try:
        connection.connect()
        yield connection.channel()
    finally:
        connection.collect()


def task_body(*arguments: Any) -> bytes:
    """The body of Celery's protocol 2."""
    return json.dumps([arguments, {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]).encode()


def publish(stack: Stack, queue: str, *, task: str, body: bytes) -> str:
    """Publish a task message straight to the broker; returns the task's id."""
    task_id = str(uuid4())
    message = amqp.Message(
        body,
        application_headers={"task": task, "id": task_id, "root_id": task_id, "lang": "py", "retries": 0},
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=2,
        correlation_id=task_id,
    )
    with channel(stack) as opened:
        opened.confirm_select()
        opened.basic_publish_confirm(message, exchange=contract.TASKS_EXCHANGE, routing_key=queue)
    return task_id
