"""Who the broker's Redis lets in, and what for."""

from __future__ import annotations

import pytest
import redis
from redis.exceptions import AuthenticationError, NoPermissionError

from app import contract
from app.contract import Role
from tests.harness.redis_stack import RedisStack

KEYS = contract.redis_keys("external")


def test_without_tls_nobody_is_answered(on_redis: RedisStack) -> None:
    """There is no plain port."""
    with on_redis.redis_broker(ssl=False) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_another_authority_is_not_trusted(on_redis: RedisStack) -> None:
    """A client that checks against public authorities does not send its password."""
    with (
        on_redis.redis_broker(ssl_ca_certs=None) as client,
        pytest.raises(redis.ConnectionError, match="certificate verify failed"),
    ):
        client.ping()


@pytest.mark.parametrize("user", ["default", "worker"])
def test_a_wrong_password_is_refused(on_redis: RedisStack, user: str) -> None:
    """The default user is off."""
    with on_redis.redis_broker(username=user, password="wrong") as client, pytest.raises(AuthenticationError):
        client.ping()


@pytest.mark.parametrize(
    ("role", "command"),
    [
        (Role.RELAY, ("RPOP", KEYS.waiting)),
        (Role.RELAY, ("LPUSH", KEYS.held, "x")),
        (Role.ARCHIVER, ("LPUSH", KEYS.dead, "x")),
        (Role.ARCHIVER, ("LRANGE", KEYS.waiting, "0", "-1")),
        (Role.WORKER, ("LRANGE", KEYS.dead, "0", "-1")),
        (Role.WORKER, ("DEL", KEYS.waiting)),
        (Role.WORKER, ("FLUSHALL",)),
        (Role.WORKER, ("LPUSH", "another", "x")),
        (Role.TOPOLOGY, ("LLEN", KEYS.waiting)),
        (Role.PROBE, ("LLEN", KEYS.waiting)),
    ],
)
def test_a_role_may_do_its_work_and_no_more(on_redis: RedisStack, role: Role, command: tuple[str, ...]) -> None:
    """Neither another command nor another key."""
    with on_redis.redis_broker(role) as client, pytest.raises(NoPermissionError):
        client.execute_command(*command)
