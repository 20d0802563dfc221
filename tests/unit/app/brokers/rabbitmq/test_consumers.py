"""Which queues beat takes for consumed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from amqp.exceptions import ChannelError, NotFound

from app.brokers import wire
from app.brokers.rabbitmq.consumers import Consumers
from app.settings import load


class Channel:
    """Knows some queues and how many consumers they have; a queue that it does not know closes it, as RabbitMQ does."""

    def __init__(self, consumers: dict[str, int]) -> None:
        self._consumers = consumers
        self.is_open = True

    def queue_declare(self, queue: str, *, passive: bool) -> Any:
        """Ask for a queue."""
        if not self.is_open:
            raise ChannelError("the channel is closed")
        assert passive, "beat declares nothing"
        if queue not in self._consumers:
            self.is_open = False
            raise NotFound(f"no queue {queue!r}")
        return SimpleNamespace(consumer_count=self._consumers[queue])

    def close(self) -> None:
        """Close it."""
        self.is_open = False


def test_a_missing_queue_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that is declared later, wherever it stands, does not keep beat from sending to those that are there."""
    consumers = {"interactive": 1, "bulk": 2, "idle": 0}
    made: list[Channel] = []

    def channel() -> Channel:
        made.append(Channel(consumers))
        return made[-1]

    connection = SimpleNamespace(channel=channel, collect=lambda: None)
    monkeypatch.setattr(wire, "connect", lambda *_, **__: connection)
    asked = Consumers(load())

    assert asked.among(["interactive", "missing", "idle", "bulk"]) == {"interactive", "bulk"}
    assert asked.answered
    assert not [one for one in made if one.is_open], "no channel is left behind"
