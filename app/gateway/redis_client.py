"""The gateway's client of Redis: over TLS, with or without sentinels, with short time-outs."""

from __future__ import annotations

import ssl
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from app import contract
from app.settings import Settings

#: The longest time for a connection (TLS handshake included), and for an answer.
ANSWER_SECONDS = 2.0
#: The longest time for one sentinel's answer: the first of the list may be on a machine that is gone.
_SENTINEL_SECONDS = 0.4


class _PrimaryPool(SentinelConnectionPool, redis.asyncio.BlockingConnectionPool):
    """Connections to whichever Redis the sentinels call the primary; like the plain pool, it waits for a free one."""


def connect(settings: Settings, *, connections: int) -> Any:
    """A client with at most `connections` connections; none is made yet."""
    pool: Any
    bounds: dict[str, Any] = {"max_connections": connections, "timeout": 1}
    if settings.redis_sentinels:
        hosts = [(host, contract.PORT_SENTINEL) for host in settings.redis_sentinels]
        asked = {"ssl": True, **_connection(settings, _SENTINEL_SECONDS)}
        sentinels = Sentinel(hosts, sentinel_kwargs=asked)  # type: ignore[no-untyped-call]
        found = {"ssl": True, **_connection(settings, ANSWER_SECONDS)}
        pool = _PrimaryPool(contract.REDIS_SERVICE, sentinels, **found, **bounds)  # type: ignore[no-untyped-call]
    else:
        pool = redis.asyncio.BlockingConnectionPool(
            connection_class=redis.asyncio.SSLConnection,
            host=settings.redis_host,
            port=settings.redis_port,
            **_connection(settings, ANSWER_SECONDS),
            **bounds,
        )
    return redis.asyncio.Redis(connection_pool=pool)


def _connection(settings: Settings, timeout_seconds: float) -> dict[str, Any]:
    return {
        "username": settings.redis_user,
        "password": settings.redis_password.get_secret_value(),
        "ssl_ca_certs": settings.redis_ca_file,
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "ssl_check_hostname": True,
        "socket_connect_timeout": timeout_seconds,
        "socket_timeout": timeout_seconds,
        # Not repeated: a repeated check of a limit would count twice. The local limit is the second try.
        "retry": Retry(NoBackoff(), 0),
    }
