"""What Redis' answer to a batch says of each message."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError, OutOfMemoryError, RedisError

from app import contract
from app.brokers.interface import BrokerAwayError
from app.brokers.redis import client
from app.brokers.redis.publisher import RedisPublisher
from app.settings import Settings
from app.storage.outbox import ClaimedMessage


class Redis:
    """Takes batches as it is told."""

    def __init__(self) -> None:
        self.error: RedisError | None = None
        self.pushed: list[tuple[str, int]] = []

    def lpush(self, key: str, *texts: str) -> int:
        """Like redis-py's."""
        if self.error is not None:
            raise self.error
        self.pushed.append((key, len(texts)))
        return len(texts)

    def close(self) -> None:
        """Nothing to close."""


def messages(number: int, body: bytes = b"") -> list[ClaimedMessage]:
    """So many messages of `bulk`."""
    return [
        ClaimedMessage(
            message_id=UUID(int=index), task_id=UUID(int=index), task_name="t", job_id=None, queue="bulk",
            properties={}, body=body, revoked=False, pause_id=None,
        )
        for index in range(number)
    ]  # fmt: skip


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Redis:
    """In place of Redis."""
    found = Redis()
    monkeypatch.setattr(client, "connect", lambda _settings: found)
    return found


def publisher() -> Any:
    """With settings that name no server."""
    return RedisPublisher(Settings())


def test_a_batch_is_one_call(server: Redis) -> None:
    """Redis takes all of it or nothing."""
    result = publisher().publish(messages(200), timeout_seconds=8)

    assert server.pushed == [("bulk", 200)]
    assert len(result.confirmed) == 200


def test_a_full_redis_takes_nothing_now(server: Redis) -> None:
    """The messages stay in the outbox; the broker is not away."""
    server.error = OutOfMemoryError("command not allowed when used memory > 'maxmemory'")

    result = publisher().publish(messages(3), timeout_seconds=8)

    assert result.nacked == [UUID(int=index) for index in range(3)]
    assert not result.confirmed


def test_no_call_begins_after_the_relays_time(server: Redis) -> None:
    """Its lease of the messages may be over, and another relay may send them."""
    with pytest.raises(BrokerAwayError) as failed:
        publisher().publish(messages(3), timeout_seconds=-1)

    assert not server.pushed
    assert not failed.value.result.confirmed


def test_an_answer_that_does_not_come_confirms_nothing(server: Redis) -> None:
    """The batch may be in Redis or not, so it is sent again."""
    server.error = RedisConnectionError("Timeout reading from socket")

    with pytest.raises(BrokerAwayError) as caught:
        publisher().publish(messages(3), timeout_seconds=8)

    assert not caught.value.result.confirmed


@pytest.mark.usefixtures("server")
def test_what_is_too_long_is_refused_and_keeps_no_other_out() -> None:
    """Its base64 is a third longer."""
    long = messages(1, b"x" * contract.REDIS_MESSAGE_MAX_BYTES)
    [_, other] = messages(2)

    result = publisher().publish([*long, other], timeout_seconds=8)

    assert str(contract.REDIS_MESSAGE_MAX_BYTES) in result.refused[UUID(int=0)]
    assert result.confirmed == [UUID(int=1)]
