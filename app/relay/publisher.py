"""Publishes a batch with pipelined confirms, and says of each message what the broker said.

kombu waits for the confirm of each message before it sends the next (about 700 messages/s); here a whole batch is on
the way at once. Every read and write is bounded by a socket timeout: `confirm_timeout` alone does not bound a publish
(research/celery.md, finding 1).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import amqp
import structlog
from amqp.exceptions import ChannelError, PreconditionFailed

from app import contract
from app.settings import Settings
from app.storage.outbox import ClaimedMessage

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class PublishResult:
    """What became of a batch. What is in none of these has an unknown fate: it may be sent again."""

    confirmed: list[UUID] = field(default_factory=list)
    #: No queue would take it. RabbitMQ confirms such a message too: a return before the confirm means not sent.
    unroutable: list[UUID] = field(default_factory=list)
    #: The queue is full (overflow reject-publish) or its leader is changing.
    nacked: list[UUID] = field(default_factory=list)
    #: The broker closed the channel over this very message, with its words.
    refused: dict[UUID, str] = field(default_factory=dict)


class BrokerAwayError(Exception):
    """The connection is gone; what was confirmed before is in `result`."""

    def __init__(self, error: BaseException, result: PublishResult) -> None:
        """Keep what is known."""
        super().__init__(f"{type(error).__name__}: {error}")
        self.result = result


class Publisher:
    """One connection with one channel in confirm mode; not shared between threads."""

    def __init__(self, settings: Settings) -> None:
        """No connection is made yet."""
        self._settings = settings
        self._connection: Any = None
        self._channel: Any = None
        self._outstanding: dict[int, UUID] = {}
        self._returned: set[UUID] = set()
        self._result = PublishResult()

    def connect(self) -> None:
        """Connect if not connected.

        Raises:
            OSError, amqp.AMQPError: no node answers.
        """
        if self._channel is not None:
            return
        settings = self._settings
        connection = amqp.Connection(
            host=f"{settings.rabbitmq_host}:{settings.rabbitmq_port}",
            userid=settings.rabbitmq_user,
            password=settings.rabbitmq_password.get_secret_value(),
            virtual_host=contract.VHOST,
            ssl=settings.rabbitmq_tls,
            heartbeat=0,  # we publish or are idle; a dead socket is noticed by the next publish, within its timeout
            connect_timeout=4,
            read_timeout=settings.rabbitmq_socket_timeout_seconds,
            write_timeout=settings.rabbitmq_socket_timeout_seconds,
        )
        connection.connect()
        self._connection = connection
        self._open_channel()

    def close(self) -> None:
        """Drop the connection, without waiting for a server that may not answer."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            connection.collect()

    def publish(self, messages: Sequence[ClaimedMessage], *, timeout_seconds: float) -> PublishResult:
        """Send all, then wait for the broker's word on each, at most `timeout_seconds`.

        Raises:
            BrokerAwayError: the connection was lost, or the broker said nothing in time.
        """
        try:
            return self._publish_together(messages, timeout_seconds)
        except PreconditionFailed as error:
            self._open_channel()
            if len(messages) == 1:
                return PublishResult(refused={messages[0].message_id: str(error)})
        except ChannelError as error:  # 404: the topology is not there. No message is to blame.
            self.close()
            raise BrokerAwayError(error, self._result) from error
        except (OSError, amqp.AMQPError) as error:
            self.close()
            raise BrokerAwayError(error, self._result) from error
        # One of them closed the channel, and the broker does not say which: send each by itself. What was confirmed
        # before may go out twice, which the inbox absorbs.
        return self._publish_one_by_one(messages, timeout_seconds)

    def _publish_one_by_one(self, messages: Sequence[ClaimedMessage], timeout_seconds: float) -> PublishResult:
        total = PublishResult()
        for message in messages:
            try:
                one = self.publish([message], timeout_seconds=timeout_seconds)
            except BrokerAwayError as error:
                total.confirmed += error.result.confirmed
                raise BrokerAwayError(error, total) from error
            total.confirmed += one.confirmed
            total.unroutable += one.unroutable
            total.nacked += one.nacked
            total.refused |= one.refused
        return total

    def _publish_together(self, messages: Sequence[ClaimedMessage], timeout_seconds: float) -> PublishResult:
        self._result, self._returned, self._outstanding = PublishResult(), set(), {}
        for message in messages:
            self._next_tag += 1
            self._outstanding[self._next_tag] = message.message_id
            self._channel.basic_publish(
                amqp.Message(message.body, message_id=str(message.message_id), **message.properties),
                exchange=message.exchange,
                routing_key=message.routing_key,
                mandatory=True,
            )
        deadline = time.monotonic() + timeout_seconds
        while self._outstanding:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError(f"{len(self._outstanding)} of {len(messages)} messages not confirmed in time")
            self._connection.drain_events(timeout=remaining)
        return self._result

    def _open_channel(self) -> None:
        self._channel = self._connection.channel()
        self._channel.confirm_select()
        self._next_tag = 0
        self._channel.events["basic_ack"].add(self._on_ack)
        self._channel.events["basic_nack"].add(self._on_nack)
        self._channel.events["basic_return"].add(self._on_return)

    def _settle(self, delivery_tag: int, *, multiple: bool) -> list[UUID]:
        tags = [tag for tag in self._outstanding if tag <= delivery_tag] if multiple else [delivery_tag]
        return [self._outstanding.pop(tag) for tag in tags if tag in self._outstanding]

    def _on_ack(self, delivery_tag: int, multiple: bool) -> None:
        for message_id in self._settle(delivery_tag, multiple=multiple):
            (self._result.unroutable if message_id in self._returned else self._result.confirmed).append(message_id)

    def _on_nack(self, delivery_tag: int, multiple: bool) -> None:
        self._result.nacked += self._settle(delivery_tag, multiple=multiple)

    def _on_return(self, _error: Exception, _exchange: str, _routing_key: str, message: Any) -> None:
        self._returned.add(UUID(message.properties["message_id"]))
