"""RabbitMQ as a broker: it can do all that we ask for."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from app.brokers import emptiness
from app.brokers.interface import Feature
from app.brokers.letters import ArrivedMessage
from app.brokers.rabbitmq import connection as _, presence  # noqa: F401 - what `amqps` means
from app.brokers.rabbitmq.consumers import Consumers
from app.brokers.rabbitmq.dead_letters import DeadLetterConsumer
from app.brokers.rabbitmq.publisher import Publisher
from app.settings import Settings


class RabbitMQ:
    """One node or several behind one name."""

    cannot: Mapping[Feature, str] = {}
    longest_delay_seconds: float | None = None
    silence_seconds: float | None = None
    counts_lag_seconds = emptiness.COUNTS_LAG_SECONDS

    def options(self, settings: Settings) -> dict[str, Any]:
        """The connection; numbers and findings refer to research/celery.md."""
        return {
            # ONE url: with a list each reconnect redeclares on every host (finding 6).
            "broker_url": settings.rabbitmq_url,
            "broker_use_ssl": settings.rabbitmq_tls,
            "broker_transport_options": {
                "confirm_publish": True,
                # confirm_timeout alone does not bound a publish: the close after it waits for ever (finding 1).
                "read_timeout": settings.rabbitmq_socket_timeout_seconds,
                "write_timeout": settings.rabbitmq_socket_timeout_seconds,
            },
            "broker_heartbeat": settings.rabbitmq_heartbeat_seconds,
        }

    def publisher(self, settings: Settings, stop: threading.Event, *, name: str) -> Publisher:
        """With pipelined confirms."""
        return Publisher(settings, stop, name=name)

    def dead_letters(self, settings: Settings) -> DeadLetterConsumer:
        """Of every dead-letter queue."""
        return DeadLetterConsumer(settings)

    def consumed_queues(self, settings: Settings) -> Consumers:
        """As a passive declare says."""
        return Consumers(settings)

    def declare(self, settings: Settings) -> None:
        """Exchanges, queues and the delay ladder; an error when a queue that nobody declares any more holds work."""
        from app.brokers.celery_app import celery_app  # noqa: PLC0415 - it needs this module for its options
        from app.brokers.leftovers import refuse_held  # noqa: PLC0415
        from app.brokers.topology import declare  # noqa: PLC0415

        with celery_app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=10, interval_start=1, interval_step=1, interval_max=5)
            declare(connection)
        refuse_held(settings)

    def empty_queues(self, settings: Settings) -> frozenset[str]:
        """As the management API says."""
        return emptiness.empty_queues(settings)

    def depths(self, settings: Settings) -> Mapping[str, Mapping[str, int]]:
        """RabbitMQ has metrics of its own."""
        return {}

    def missing(self, settings: Settings) -> str | None:
        """Exchanges and queues of this role."""
        return presence.missing(settings)

    def arrived(self, message: Any) -> ArrivedMessage:
        """Not asked for: a reject takes the message to its dead-letter queue."""
        raise NotImplementedError

    def answered_at(self) -> float:
        """Now: the connection's heartbeat notices a broker that does not answer."""
        return time.monotonic()
