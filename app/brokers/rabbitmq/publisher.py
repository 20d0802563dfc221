"""Publishes a batch with pipelined confirms, and says of each message what the broker said.

kombu waits for the confirm of each message before it sends the next (about 700 messages/s); here a whole batch is on
the way at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from amqp.exceptions import AMQPError, ChannelError, NotFound, PreconditionFailed

from app import contract
from app.brokers import wire
from app.brokers.interface import BrokerAwayError, PublishResult
from app.brokers.senders import USER_ID
from app.errors import UnwritableMessageError
from app.settings import Settings
from app.storage.outbox import ClaimedMessage

log = structlog.get_logger(__name__)

#: Between two looks at a broker that has blocked its publishers.
_BLOCKED_LOOK_SECONDS = 0.5


class Publisher:
    """One connection with one channel in confirm mode; not shared between threads."""

    def __init__(self, settings: Settings, stop: threading.Event, *, name: str = "relay") -> None:
        """No connection is made yet; `stop` ends the wait for a broker that blocks publishers."""
        self._settings = settings
        self._stop = stop
        self._name = name
        self._connection: Any = None
        self._channel: Any = None
        self._blocked = False
        self._next_tag = 0
        self._outstanding: dict[int, UUID] = {}
        self._returned: set[UUID] = set()
        self._result = PublishResult()
        #: When it last looked for the broker's answer (time.monotonic). A blocked broker may be waited for very long.
        self.looked_at = time.monotonic()

    @property
    def connected(self) -> bool:
        """Whether a connection was made and not dropped since."""
        return self._channel is not None

    def connect(self) -> None:
        """Connect if not connected.

        Raises:
            OSError, amqp.AMQPError: no node answers.
        """
        if self.connected:
            return
        # No heartbeat: we publish or are idle, and a dead socket is noticed by the next publish, within its timeout.
        self._connection = wire.connect(
            self._settings, name=self._name, on_blocked=self._on_blocked, on_unblocked=self._on_unblocked
        )
        self._blocked = False
        self._open_channel()

    def close(self) -> None:
        """Drop the connection, without waiting for a server that may not answer."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            connection.collect()

    def waiting(self, queue: str) -> int | None:
        """How many messages wait in a queue; None if the broker has blocked its publishers, who cannot ask.

        Raises:
            BrokerAwayError: the connection was lost.
        """
        if self._blocked:
            return None
        try:
            try:
                return int(self._channel.queue_declare(queue, passive=True).message_count)
            except ChannelError as error:  # the queue is missing, or permissions of an older deployment forbid asking
                log.warning("queue_length_unknown", queue=queue, reason=str(error))
                self._open_channel()
                return 0
        except (OSError, AMQPError) as error:
            self.close()
            raise BrokerAwayError(error, PublishResult()) from error

    def publish(self, messages: Sequence[ClaimedMessage], *, timeout_seconds: float) -> PublishResult:
        """Send all, then wait for the broker's word on each, at most `timeout_seconds`.

        A broker whose memory or disk is short blocks publishers; what was sent waits in its socket, so to send it again
        would double it. That time does not count.

        Raises:
            BrokerAwayError: the connection was lost, or the broker said nothing in time.
        """
        self._result, self._returned, self._outstanding = PublishResult(), set(), {}
        try:
            self._send(messages)
            self._await_confirms(timeout_seconds)
        except PreconditionFailed as error:
            return self._after_refusal(messages, error, timeout_seconds)
        except NotFound:  # the exchange is missing, and with it the way for every message
            self._open_channel()
            known = {*self._result.confirmed, *self._result.nacked, *self._result.refused}
            self._result.unroutable = [message.message_id for message in messages if message.message_id not in known]
        except (OSError, AMQPError) as error:
            self.close()
            raise BrokerAwayError(error, self._result) from error
        return self._result

    def _after_refusal(
        self, messages: Sequence[ClaimedMessage], error: PreconditionFailed, timeout_seconds: float
    ) -> PublishResult:
        """Send each message by itself: one of them closed the channel, and the broker does not say which.

        Messages that were confirmed before may be sent twice; the inbox executes them once.
        """
        self._open_channel()
        if len(messages) == 1:
            return PublishResult(refused={messages[0].message_id: str(error)})
        total = PublishResult()
        for message in messages:
            try:
                one = self.publish([message], timeout_seconds=timeout_seconds)
            except BrokerAwayError as away:
                total.confirmed += away.result.confirmed
                raise BrokerAwayError(away, total) from away
            total.confirmed += one.confirmed
            total.unroutable += one.unroutable
            total.nacked += one.nacked
            total.refused |= one.refused
        return total

    def _send(self, messages: Sequence[ClaimedMessage]) -> None:
        for message in messages:
            try:
                # RabbitMQ refuses another user's name here, so workers trust our headers.
                own = {"message_id": str(message.message_id), USER_ID: self._settings.rabbitmq_user}
                content = wire.WritableMessage(message.body, **(message.properties | own))
            except UnwritableMessageError as error:
                self._result.refused[message.message_id] = str(error)
                continue
            self._next_tag += 1
            self._outstanding[self._next_tag] = message.message_id
            self._channel.basic_publish(
                content, exchange=contract.TASKS_EXCHANGE, routing_key=message.queue, mandatory=True
            )

    def _await_confirms(self, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while self._outstanding:
            self.looked_at = time.monotonic()
            if self._blocked and not self._stop.is_set():
                deadline = time.monotonic() + timeout_seconds
            remaining_seconds = deadline - time.monotonic()
            if remaining_seconds <= 0:
                raise TimeoutError(f"{len(self._outstanding)} messages not confirmed in time")
            try:
                self._connection.drain_events(timeout=min(remaining_seconds, _BLOCKED_LOOK_SECONDS))
            except TimeoutError:
                continue  # nothing was said for a moment; the deadline decides

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

    def _on_blocked(self, _reason: str) -> None:
        self._blocked = True

    def _on_unblocked(self) -> None:
        self._blocked = False
