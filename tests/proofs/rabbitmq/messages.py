"""Messages put into the cluster and taken out of it, and what it says of a queue."""

from __future__ import annotations

from typing import Any

import amqp

from app import contract
from app.contract import Role
from tests.harness.rabbitmq_nodes import Nodes


def publish(channel: Any, *bodies: str, exchange: str = contract.TASKS_EXCHANGE, key: str = "interactive") -> None:
    """Publish persistent messages; each is confirmed, and refused if no queue takes it."""
    channel.confirm_select()
    for body in bodies:
        message = amqp.Message(body.encode(), delivery_mode=2)
        channel.basic_publish_confirm(message, exchange=exchange, routing_key=key, mandatory=True)


def drain(nodes: Nodes, host: str, queue: str = "interactive") -> list[str]:
    """Take every message of a queue."""
    with nodes.channel(Role.WORKER, host=host) as channel:
        bodies = []
        while message := channel.basic_get(queue, no_ack=True):
            bodies.append(message.body.decode())
        return bodies


def queue(nodes: Nodes, name: str, host: str | None = None) -> dict[str, Any]:
    """A queue as the management API tells of it, asked of one node."""
    with nodes.http(Role.OPERATOR, host=host) as client:
        answer: dict[str, Any] = client.get(f"/api/queues/{contract.VHOST}/{name}").raise_for_status().json()
    return answer
