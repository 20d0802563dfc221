"""Reads the lists of messages that were delivered too often: they killed every worker that took them.

A message is only looked at, and removed when it is archived. So an archiver that is killed leaves it where it was.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from app import contract
from app.brokers.envelope import opened
from app.brokers.interface import Delivery
from app.brokers.redis import client
from app.brokers.without_amqp import DELIVERY_LIMIT
from app.settings import Settings

#: Of a queue, while PostgreSQL is away.
_MOST_HELD = 20


class RedisDeadLetters:
    """Looks at all queues in turn."""

    def __init__(self, settings: Settings) -> None:
        """Ask nothing yet."""
        self._client: Any = client.connect(settings)
        self._connected = False
        self._held: Counter[str] = Counter()

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
                self._client.llen(contract.redis_keys(contract.queue_names()[0]).dead)
            self._connected = True

    def close(self) -> None:
        """Forget what was looked at: it is still in its list."""
        self._connected = False
        self._held.clear()
        self._client.close()

    def gather(self, *, wait_seconds: float) -> list[Delivery]:
        """Return the messages that have arrived.

        Raises:
            RedisAwayError: Redis does not answer.
        """
        found = [delivery for queue in contract.queue_names() for delivery in self._next_of(queue)]
        if not found:
            time.sleep(wait_seconds)
        return found

    def acknowledge(self, deliveries: list[Delivery]) -> None:
        """Remove them.

        Raises:
            RedisAwayError: Redis does not answer; they come again, and are known by then.
        """
        for delivery in deliveries:
            queue, text = delivery.tag
            with client.answered():
                self._client.lrem(contract.redis_keys(queue).dead, -1, text)
            self._held[queue] -= 1

    def _next_of(self, queue: str) -> list[Delivery]:
        """The oldest that are not held; they are at the right end."""
        held = self._held[queue]
        if held >= _MOST_HELD:
            return []
        with client.answered():
            texts = self._client.lrange(contract.redis_keys(queue).dead, -_MOST_HELD, -held - 1)
        self._held[queue] += len(texts)
        return [Delivery((queue, text), arrived(queue, text)) for text in reversed(texts)]


def arrived(queue: str, text: bytes) -> Any:
    """A text of the list as a dead letter."""
    return opened(text).arrived(queue, death_reason=DELIVERY_LIMIT)
