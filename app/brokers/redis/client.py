"""The client of the broker's Redis for processes without Celery, with every wait bounded; and its Lua scripts."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.retry import Retry

from app import contract
from app.contract import RedisKeys
from app.settings import Settings

CONNECT_SECONDS = 2
#: For an answer. A relay's call is made once, within its 8 s for confirms; its lease of the messages lasts 15 s.
ANSWER_SECONDS = 5


class RedisAwayError(ConnectionError):
    """Redis does not answer, or refuses this process."""


def tls(settings: Settings) -> dict[str, Any]:
    """The server's certificate must be of our authority and for this host name."""
    return {
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "ssl_ca_certs": settings.redis_broker_ca_file,
        "ssl_check_hostname": True,
    }


def connect(settings: Settings) -> Any:
    """A client with connections of its own; none is made yet."""
    return redis.Redis(
        host=settings.redis_broker_host,
        port=settings.redis_broker_port,
        username=settings.redis_broker_user,
        password=settings.redis_broker_password.get_secret_value(),
        ssl=True,
        **tls(settings),
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        socket_keepalive=True,
        # Not repeated: a publish whose answer was lost may have happened, and those who call know what that means.
        retry=Retry(NoBackoff(), 0),
    )


@contextmanager
def answered() -> Iterator[None]:
    """Make every failure of a call a failed connection, which those who call wait out.

    Raises:
        RedisAwayError: in place of redis-py's errors.
    """
    try:
        yield
    except RedisError as error:
        raise RedisAwayError(str(error)) from error


class Script:
    """A Lua script of this folder. Redis runs it atomically."""

    def __init__(self, name: str) -> None:
        """Name the file."""
        self._text = Path(__file__).with_name(f"{name}.lua").read_text()
        self._hash = ""

    def __call__(self, client: Any, keys: Sequence[str], *arguments: Any) -> Any:
        """Run it; a Redis that was started again has to be given it first.

        Raises:
            redis.RedisError: Redis is away, or refuses the script.
        """
        for _ in range(2):
            try:
                return client.evalsha(self._hash or "-", len(keys), *keys, *arguments)
            except NoScriptError:
                self._hash = client.script_load(self._text)
        raise ResponseError("Redis forgets a script as soon as it has it")


def counts(client: Any) -> Mapping[str, Mapping[str, int]]:
    """Of each queue how many messages are `waiting`, `held` or delayed, and `dead`; all of one moment.

    Raises:
        RedisAwayError: Redis does not answer.
    """
    queues: dict[str, RedisKeys] = {queue: contract.redis_keys(queue) for queue in contract.queue_names()}
    with answered(), client.pipeline(transaction=True) as pipe:
        for keys in queues.values():
            pipe.llen(keys.waiting).hlen(keys.held).llen(keys.dead)
        found = pipe.execute()
    states = ("waiting", "held", "dead")
    return {
        queue: dict(zip(states, found[3 * number : 3 * number + 3], strict=True)) for number, queue in enumerate(queues)
    }
