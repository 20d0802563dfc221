"""Publishes a batch by one LPUSH a queue: Redis takes all of it or nothing, and its answer is the confirm."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from redis.exceptions import OutOfMemoryError

from app import contract
from app.brokers.envelope import sealed_all
from app.brokers.interface import BrokerAwayError, PublishResult
from app.brokers.redis import client
from app.settings import Settings
from app.storage.outbox import ClaimedMessage

Entry = tuple[UUID, str]


class RedisPublisher:
    """Its client connects again by itself."""

    def __init__(self, settings: Settings) -> None:
        """Ask nothing yet."""
        self._client: Any = client.connect(settings)
        self._connected = False
        #: When it last had an answer (time.monotonic).
        self.looked_at = time.monotonic()

    @property
    def connected(self) -> bool:
        """Whether Redis answered, and has not failed since."""
        return self._connected

    def connect(self) -> None:
        """See that Redis answers.

        Raises:
            RedisAwayError: it does not.
        """
        if not self._connected:
            with client.answered():
                self._client.llen(contract.redis_keys(contract.queue_names()[0]).waiting)
            self._connected = True

    def close(self) -> None:
        """Ask again before the next batch."""
        self._connected = False
        self._client.close()

    def waiting(self, queue: str) -> int:
        """How many messages wait in a queue.

        Raises:
            BrokerAwayError: Redis does not answer.
        """
        try:
            with client.answered():
                return int(self._client.llen(contract.redis_keys(queue).waiting))
        except client.RedisAwayError as error:
            self.close()
            raise BrokerAwayError(error, PublishResult()) from error

    def publish(self, messages: Sequence[ClaimedMessage], *, timeout_seconds: float) -> PublishResult:
        """Send all, a call for each queue; each ends within the client's own time, and none begins after the relay's.

        Raises:
            BrokerAwayError: a call failed, or the time is over; what was taken before is in its result.
        """
        result = PublishResult()
        deadline = time.monotonic() + timeout_seconds
        for queue in dict.fromkeys(message.queue for message in messages):
            of_queue = [message for message in messages if message.queue == queue]
            entries = list(sealed_all(of_queue, result, most_bytes=contract.REDIS_MESSAGE_MAX_BYTES))
            self.looked_at = time.monotonic()
            try:
                if self.looked_at > deadline:
                    raise TimeoutError("not all messages were taken in time")
                self._send(queue, entries, result)
            except OSError as error:
                self.close()
                raise BrokerAwayError(error, result) from error
        return result

    def _send(self, queue: str, entries: Sequence[Entry], result: PublishResult) -> None:
        if not entries:
            return
        identifiers = [identifier for identifier, _ in entries]
        with client.answered():
            try:
                self._client.lpush(contract.redis_keys(queue).waiting, *(text for _, text in entries))
            except OutOfMemoryError:
                result.nacked += identifiers
            else:
                result.confirmed += identifiers
