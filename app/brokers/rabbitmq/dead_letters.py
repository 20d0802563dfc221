"""One connection that consumes every dead-letter queue. Nothing is declared: an archiver may only read."""

from __future__ import annotations

from typing import Any

from app import contract
from app.brokers import wire
from app.brokers.interface import Delivery
from app.brokers.letters import ArrivedMessage
from app.brokers.senders import believed
from app.settings import Settings

#: Unacknowledged messages a queue: enough to insert in batches, few enough that the largest (16 MiB each) fit.
_PREFETCH = 20
#: To see whether another message is already here.
_GLANCE_SECONDS = 0.01


class DeadLetterConsumer:
    """Not shared between threads."""

    def __init__(self, settings: Settings) -> None:
        """No connection is made yet."""
        self._settings = settings
        self._connection: Any = None
        self._channel: Any = None
        self._arrived: list[Delivery] = []

    @property
    def connected(self) -> bool:
        """Whether a connection was made and not dropped since."""
        return self._connection is not None

    def connect(self) -> None:
        """Connect if not connected, and consume.

        Raises:
            OSError, amqp.AMQPError: no node answers, or a queue is not there.
        """
        if self._connection is not None:
            return
        connection = wire.connect(
            self._settings, name="archiver", heartbeat_seconds=self._settings.rabbitmq_heartbeat_seconds
        )
        try:
            channel = connection.channel()
            channel.auto_decode = False  # the archive holds bytes, also those that are not UTF-8
            # A consumer, not the channel (global): quorum queues know no other.
            channel.basic_qos(prefetch_size=0, prefetch_count=_PREFETCH, a_global=False)
            for queue in contract.queue_names():
                name = contract.dead_letter_queue(queue)
                channel.basic_consume(name, callback=self._receiver(name))
        except BaseException:
            connection.collect()
            raise
        self._connection, self._channel = connection, channel

    def close(self) -> None:
        """Drop the connection without waiting for a server that may not answer; the broker redelivers the rest."""
        connection, self._connection, self._channel = self._connection, None, None
        self._arrived.clear()
        if connection is not None:
            connection.collect()

    def gather(self, *, wait_seconds: float) -> list[Delivery]:
        """What has arrived, waiting for the first message at most so long. Keeps the heartbeat going, so call it often.

        Raises:
            OSError, amqp.AMQPError: the connection is gone.
        """
        self._connection.heartbeat_tick()
        try:
            timeout = wait_seconds
            while True:
                self._connection.drain_events(timeout=timeout)
                timeout = _GLANCE_SECONDS
        except TimeoutError:
            pass  # nothing more is here; the prefetch bounds how much there can be
        arrived, self._arrived = self._arrived, []
        return arrived

    def acknowledge(self, deliveries: list[Delivery]) -> None:
        """These are safe elsewhere.

        Raises:
            OSError, amqp.AMQPError: the connection is gone; they come again, and are known by then.
        """
        for delivery in deliveries:
            self._channel.basic_ack(delivery.tag)

    def _receiver(self, queue: str) -> Any:
        def receive(message: Any) -> None:
            properties = dict(message.properties)
            # A relay publishes a replay, and workers trust its headers: so headers that are not the sender's go here.
            if headers := properties.get("application_headers"):
                properties["application_headers"] = believed(headers, properties)
            arrived = ArrivedMessage(
                dead_letter_queue=queue,
                exchange=str(message.delivery_info.get("exchange") or ""),
                routing_key=str(message.delivery_info.get("routing_key") or ""),
                properties=properties,
                body=message.body.encode() if isinstance(message.body, str) else bytes(message.body),
            )
            self._arrived.append(Delivery(message.delivery_info["delivery_tag"], arrived))

        return receive
