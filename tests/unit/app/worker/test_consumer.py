"""The steps of the worker's connection."""

from __future__ import annotations

from app.brokers.celery_app import celery_app
from app.worker.consumer import MillraceConsumer


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
