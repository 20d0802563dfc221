"""A worker's events are published without confirms, or a dead node's event queue stops every worker."""

from __future__ import annotations

from typing import Any

from app.brokers.celery_app import celery_app
from app.worker.consumer import MillraceConsumer


def test_the_connection_for_events_waits_for_no_confirms() -> None:
    """Tasks are still confirmed: the application's own options do not change."""
    consumer: Any = MillraceConsumer.__new__(MillraceConsumer)
    consumer.app = celery_app
    consumer.ensure_connected = lambda connection: connection

    events = consumer.connection_for_write(heartbeat=5)

    assert events.transport_options["confirm_publish"] is False
    assert events.heartbeat == 5
    assert celery_app.connection_for_write().transport_options["confirm_publish"] is True
