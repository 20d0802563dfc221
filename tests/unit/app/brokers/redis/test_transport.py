"""What Celery is told of a message of Redis, and what becomes of one that nobody would receive."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from app import contract
from app.brokers.interface import DELAY_SECONDS
from app.brokers.redis import transport
from app.brokers.redis.transport import Channel, QoS
from app.errors import QueueNotDeclaredError, UnwritableMessageError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Client:
    """Remembers what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    #: Away: each call fails.
    away = False

    def __enter__(self) -> Self:
        """As a pipeline."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    def pipeline(self, **_: Any) -> Self:
        """Itself."""
        return self

    def hdel(self, *arguments: Any) -> None:
        """Like redis-py's."""
        self.asked.append(("hdel", *arguments))

    def zrem(self, *arguments: Any) -> None:
        """Like redis-py's."""
        self.asked.append(("zrem", *arguments))

    def execute(self) -> None:
        """Like redis-py's."""
        if self.away:
            self.asked.clear()
            raise RedisConnectionError("Connection refused")

    def lpush(self, *arguments: Any) -> None:
        """Like redis-py's."""
        self.asked.append(("lpush", *arguments))


@pytest.fixture
def client() -> Client:
    """In place of Redis."""
    return Client()


@pytest.fixture
def channel(client: Client) -> Any:
    """A channel without a connection."""
    found = Channel.__new__(Channel)

    @contextmanager
    def conn_or_acquire() -> Iterator[Client]:
        yield client

    found.conn_or_acquire = conn_or_acquire
    found.connection_errors = (RedisConnectionError,)
    found._active_queues, found.active_fanout_queues = ["bulk"], set()
    return found


@pytest.mark.parametrize(("count", "redelivered"), [(1, False), (2, True), (17, True)])
def test_the_count_tells_of_a_redelivery(channel: Any, count: int, redelivered: bool) -> None:
    """Without it a batch that killed its worker is never halved, and its neighbours die with the killer."""
    payload = channel._payload("bulk", "bulk:hash:x.1", count, b"{}")

    assert payload["properties"]["delivery_info"]["redelivered"] is redelivered


def test_a_sender_cannot_say_what_is_let_go(channel: Any) -> None:
    """The tag is the one that Redis gave."""
    text = b'{"body": "x", "properties": {"delivery_tag": "bulk:another:1", "delivery_info": {"routing_key": "z"}}}'

    properties = channel._payload("bulk", "bulk:hash:x.1", 1, text)["properties"]

    assert properties["delivery_tag"] == "bulk:hash:x.1"
    assert properties["delivery_info"]["routing_key"] == "bulk"


@pytest.mark.parametrize(("exchange", "key"), [(contract.TASKS_EXCHANGE, "typo"), ("elsewhere", "bulk")])
def test_a_message_that_no_queue_would_take_is_an_error(channel: Any, exchange: str, key: str) -> None:
    """Kombu sends it nowhere and says that it was sent."""
    with pytest.raises(QueueNotDeclaredError):
        channel._lookup(exchange, key)


def test_a_message_is_put_at_the_end_that_is_taken_last(channel: Any, client: Client) -> None:
    """`take.lua` takes from the right."""
    channel._put("bulk", {"body": "x", "properties": {}})

    [(command, key, _)] = client.asked
    assert (command, key) == ("lpush", "bulk")


def test_a_delay_is_kept_by_redis(channel: Any, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """An eta would be kept in a worker's memory. The caller's own properties stay as they are for another try."""
    kept: list[tuple[Any, ...]] = []
    monkeypatch.setattr(transport, "_delay", lambda _client, keys, *arguments: kept.append((keys, *arguments)))
    properties = {DELAY_SECONDS: 30}

    channel._put("bulk", {"body": "x", "properties": properties})

    [(keys, tag, text, seconds)] = kept
    assert keys == ("bulk:held", "bulk:until")
    assert tag.startswith("bulk:delayed:")
    assert DELAY_SECONDS not in text
    assert seconds == properties[DELAY_SECONDS] == 30
    assert not client.asked


def test_what_is_too_long_is_an_error(channel: Any) -> None:
    """And not a message that no worker has memory for."""
    with pytest.raises(UnwritableMessageError):
        channel._put("bulk", {"body": "x" * contract.REDIS_MESSAGE_MAX_BYTES, "properties": {}})


def test_what_is_given_back_goes_to_its_own_queue(channel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tag says which."""
    let_go: list[tuple[Any, ...]] = []
    monkeypatch.setattr(transport, "_let_go", lambda _client, *arguments: let_go.append(arguments))

    channel.give_back("bulk:hash:x.1")

    assert let_go == [(("bulk:until",), "bulk:hash:x.1")]


def test_an_acknowledgement_that_fails_makes_room_and_is_made_up_for(
    channel: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kombu's keeps its room: once all had failed, the worker looked well and took nothing any more."""
    monkeypatch.setattr(transport, "_give_back", lambda *_: None)
    held = QoS(channel, prefetch_count=1)
    held.append(object(), "bulk:hash:x.1")
    assert not held.can_consume()

    client.away = True
    held.ack("bulk:hash:x.1")
    assert held.can_consume()
    client.away = False
    held.restore_visible()

    acknowledged = [
        ("hdel", "bulk:held", "bulk:hash:x.1"), ("zrem", "bulk:until", "bulk:hash:x.1"),
        ("hdel", "bulk:deliveries", "hash"),
    ]  # fmt: skip
    assert client.asked == acknowledged
    held.restore_visible()
    assert client.asked == acknowledged, "once"


def test_a_body_is_written_nowhere_when_redis_is_away(channel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kombu dumps what it cannot restore, bodies too, into a file in /tmp."""

    def away(*_: Any) -> None:
        raise RedisConnectionError("Connection refused")

    def dumped(*_: Any, **__: Any) -> None:
        pytest.fail("a body was written")

    monkeypatch.setattr(transport, "_let_go", away)
    monkeypatch.setattr("kombu.transport.virtual.base.emergency_dump_state", dumped)
    channel.do_restore, channel.restore_at_shutdown = True, True
    qos = transport.QoS(channel)
    qos._delivered["bulk:hash:x.1"] = SimpleNamespace(delivery_tag="bulk:hash:x.1")
    qos.restore_unacked_once()
    assert not qos._delivered


def test_all_that_is_due_goes_back_at_once(channel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In steps, until a step is not full."""
    steps = [transport._MOST_GIVEN_BACK, transport._MOST_GIVEN_BACK, 7]
    monkeypatch.setattr(transport, "_give_back", lambda *_: steps.pop(0))
    transport.QoS(channel).restore_visible()
    assert not steps
