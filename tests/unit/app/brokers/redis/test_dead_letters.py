"""What the archiver is given of the messages that were delivered too often."""

from __future__ import annotations

import pytest

from app import contract
from app.brokers.redis import client
from app.brokers.redis.dead_letters import RedisDeadLetters
from app.settings import Settings


class Redis:
    """Lists in memory, asked as redis-py is."""

    def __init__(self) -> None:
        self.lists: dict[str, list[bytes]] = {"bulk:dead": [b"%d" % number for number in range(50)]}

    def lrange(self, key: str, start: int, end: int) -> list[bytes]:
        """Both ends count from the right, as the reader's do."""
        found = self.lists.get(key, [])
        return found[max(0, len(found) + start) : max(0, len(found) + end + 1)]

    def lrem(self, key: str, count: int, text: bytes) -> None:
        """One, from the right."""
        assert count == -1
        self.lists[key].remove(text)

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Redis:
    """In place of Redis."""
    found = Redis()
    monkeypatch.setattr(client, "connect", lambda _settings: found)
    return found


def test_nothing_is_removed_before_it_is_archived(server: Redis) -> None:
    """PostgreSQL may be away for an hour, and an archiver may be killed."""
    source = RedisDeadLetters(Settings())

    first, second = source.gather(wait_seconds=0), source.gather(wait_seconds=0)

    assert [delivery.message.body for delivery in first][:2] == [b"49", b"48"]
    assert {delivery.message.dead_letter_queue for delivery in first} == {contract.dead_letter_queue("bulk")}
    assert {delivery.message.death_reason for delivery in first} == {"delivery_limit"}
    assert (len(first), second) == (20, [])
    assert len(server.lists["bulk:dead"]) == 50


def test_what_is_archived_is_removed_and_the_next_come(server: Redis) -> None:
    """In the order in which they died."""
    source = RedisDeadLetters(Settings())

    while found := source.gather(wait_seconds=0):
        source.acknowledge(found)

    assert server.lists["bulk:dead"] == []
