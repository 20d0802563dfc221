"""How confirms, nacks and returns of a pipelined batch are told apart."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from app.brokers.rabbitmq.publisher import Publisher
from app.settings import Settings

A, B, C = UUID(int=1), UUID(int=2), UUID(int=3)


def waiting_publisher() -> Publisher:
    """A publisher that has sent three messages and heard nothing yet."""
    publisher = Publisher(Settings(), threading.Event())
    publisher._outstanding = {1: A, 2: B, 3: C}
    return publisher


def returned(message_id: UUID) -> Any:
    """A message as py-amqp hands it back."""
    return SimpleNamespace(properties={"message_id": str(message_id)})


def test_one_ack_may_confirm_many() -> None:
    """`multiple` confirms every tag up to its own, and no later one."""
    publisher = waiting_publisher()

    publisher._on_ack(2, multiple=True)

    assert publisher._result.confirmed == [A, B]
    assert publisher._outstanding == {3: C}


def test_a_returned_message_is_not_sent_although_it_is_acked() -> None:
    """RabbitMQ returns an unroutable message and then confirms it: the return wins."""
    publisher = waiting_publisher()

    publisher._on_return(Exception("312"), "tasks", "nowhere", returned(B))
    publisher._on_ack(3, multiple=True)

    assert publisher._result.confirmed == [A, C]
    assert publisher._result.unroutable == [B]


def test_a_nack_is_no_confirm() -> None:
    """A full queue nacks: the message stays in the outbox."""
    publisher = waiting_publisher()

    publisher._on_nack(1, multiple=False)
    publisher._on_ack(1, multiple=False)  # a broker that contradicts itself changes nothing

    assert publisher._result.nacked == [A]
    assert publisher._result.confirmed == []
