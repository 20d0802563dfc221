"""What the scripts do with the keys of a queue, on the stack's own Redis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from redis.exceptions import OutOfMemoryError

from app import contract
from app.brokers.redis.client import Script
from tests.harness.redis_stack import RedisStack
from tests.harness.waiting import eventually

take, let_go, give_back, delay = (Script(name) for name in ("take", "let_go", "give_back", "delay"))
#: Of a queue that nobody works on.
KEYS = contract.redis_keys("nobody")
GIVEN_BACK = (KEYS.waiting, KEYS.held, KEYS.until)


@pytest.fixture
def client(on_redis: RedisStack) -> Iterator[Any]:
    """The operator's; what is left of the queue goes afterwards."""
    with on_redis.redis_broker() as found:
        yield found
        found.delete(*KEYS)


def test_the_first_that_was_sent_is_the_first_that_is_taken(client: Any) -> None:
    """And each with a tag that names its queue and its hash."""
    client.lpush(KEYS.waiting, "one", "two", "three")

    taken = take(client, KEYS, "worker", 60, 4, 2)

    assert [(count, text) for _, count, text in taken] == [(1, b"one"), (1, b"two")]
    assert all(tag.split(b":")[0] == b"nobody" for tag, _, _ in taken)
    assert client.hlen(KEYS.held) == client.zcard(KEYS.until) == 2


def test_what_is_due_comes_back_in_its_order_and_is_counted(client: Any) -> None:
    """Before what has not been taken yet."""
    client.lpush(KEYS.waiting, "one", "two", "three")
    take(client, KEYS, "worker", 0, 4, 2)

    assert give_back(client, GIVEN_BACK, 100) == 2

    assert [(count, text) for _, count, text in take(client, KEYS, "another", 60, 4, 3)] == [
        (2, b"one"), (2, b"two"), (1, b"three"),
    ]  # fmt: skip


def test_what_is_held_does_not_come_back(client: Any) -> None:
    """Its worker may still be at it."""
    client.lpush(KEYS.waiting, "one")
    take(client, KEYS, "worker", 60, 4, 1)

    assert give_back(client, GIVEN_BACK, 100) == 0


def test_what_is_let_go_comes_back_and_what_has_come_back_stays_once(client: Any) -> None:
    """A worker may let go of a message whose time was over."""
    client.lpush(KEYS.waiting, "one")
    [(tag, _, _)] = take(client, KEYS, "worker", 60, 4, 1)

    for _ in range(2):
        let_go(client, (KEYS.until,), tag)
        give_back(client, GIVEN_BACK, 100)

    assert client.lrange(KEYS.waiting, 0, -1) == [b"one"]
    assert not client.exists(KEYS.held, KEYS.until)


def test_what_was_delivered_too_often_is_dead(client: Any) -> None:
    """Its text is unchanged, and its count is gone: a replay begins anew."""
    client.lpush(KEYS.waiting, "killer")
    for _ in range(4):
        assert len(take(client, KEYS, "worker", 0, 4, 1)) == 1
        give_back(client, GIVEN_BACK, 100)

    assert take(client, KEYS, "worker", 60, 4, 1) == []

    assert client.lrange(KEYS.dead, 0, -1) == [b"killer"]
    assert not client.exists(KEYS.waiting, KEYS.held, KEYS.until, KEYS.deliveries)


def test_a_delayed_message_waits_for_its_time(client: Any) -> None:
    """It is no delivery, so it is not counted."""
    delay(client, (KEYS.held, KEYS.until), "nobody:delayed:1", "later", 0.2)
    assert client.llen(KEYS.waiting) == 0

    eventually(lambda: give_back(client, GIVEN_BACK, 100) == 1, what="it is due")

    [(_, count, text)] = take(client, KEYS, "worker", 60, 4, 1)
    assert (count, text) == (1, b"later")


def test_a_full_redis_still_gives_its_messages(client: Any) -> None:
    """It takes no new ones, which stay in the outbox. With kombu's commands no worker could make it emptier."""
    client.lpush(KEYS.waiting, "one")
    before = client.config_get("maxmemory")["maxmemory"]
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(OutOfMemoryError):
            client.lpush(KEYS.waiting, "two")

        [(tag, _, text)] = take(client, KEYS, "worker", 60, 4, 1)
        let_go(client, (KEYS.until,), tag)
        assert give_back(client, GIVEN_BACK, 100) == 1
    finally:
        client.config_set("maxmemory", before)
    assert text == b"one"
