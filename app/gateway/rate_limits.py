"""How many requests a key may send: one count for all gateways, in Redis; without Redis each gateway counts alone.

Redis may vanish at any time (law 9). Then the limit fails open, to a local one of the same size, and a circuit breaker
keeps a dead Redis from costing each request its timeout: only a background probe asks for it, every second.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from redis.exceptions import RedisError
from throttled.asyncio import BaseRateLimiter, MemoryStore, RateLimiterRegistry, RedisStore, per_duration
from throttled.exceptions import StoreUnavailableError

from app.gateway import metrics, redis_client
from app.gateway.problems import OVERLOADED, RATE_LIMITED, ProblemError, retry_after
from app.gateway.together import Together
from app.settings import Settings

log = structlog.get_logger(__name__)

#: Requests that may come at once, as seconds of the key's rate. GCRA lets rate + burst through in any period.
BURST_SECONDS = 0.1
BURST_MIN = 5
#: Counted per minute, so that rates below one a second are whole numbers too.
_PERIOD = timedelta(minutes=1)
#: Seconds between two probes of a Redis that did not answer.
_PROBE_SECONDS = 1.0
#: Connections to Redis: a check takes a fraction of a millisecond, so few do. A probe opens all of them, because a TLS
#: handshake in the middle of a request would take more than the request's share of time.
_CONNECTIONS = 4
_PROBE_KEY = "millrace:limiter-probe"
#: Keys whose limits are kept at hand.
_KEYS_MAX = 4096


def burst(requests_per_second: float) -> int:
    """How many requests may come at once."""
    return max(BURST_MIN, math.ceil(requests_per_second * BURST_SECONDS))


def quota(requests_per_second: float) -> Any:
    """The library's form of a limit."""
    per_minute = max(1, round(requests_per_second * _PERIOD.total_seconds()))
    return per_duration(_PERIOD, limit=per_minute, burst=burst(requests_per_second))


def local_limiter(requests_per_second: float) -> BaseRateLimiter:
    """A limit of this process alone."""
    return _limiter(requests_per_second, MemoryStore(options={"MAX_SIZE": _KEYS_MAX}))


def _limiter(requests_per_second: float, store: Any) -> BaseRateLimiter:
    return RateLimiterRegistry.get("gcra")(quota(requests_per_second), store)


class Breaker:
    """Whether Redis is asked. One failure opens it; only a successful probe closes it."""

    def __init__(self, probe: Callable[[], Awaitable[Any]], *, probe_seconds: float = _PROBE_SECONDS) -> None:
        """Open until the first probe: the first requests must not wait for a handshake."""
        self._probe = probe
        self._probe_seconds = probe_seconds
        self._failed = asyncio.Event()
        self._failed.set()

    @property
    def closed(self) -> bool:
        """Redis answers, as far as we know."""
        return not self._failed.is_set()

    def trip(self, error: BaseException) -> None:
        """Redis did not answer."""
        if self.closed:
            log.warning("limiter_local", error=type(error).__name__)
        self._failed.set()

    async def watch(self) -> None:
        """Probe while open."""
        while True:
            await self._failed.wait()
            try:
                async with asyncio.timeout(redis_client.ANSWER_SECONDS):
                    await self._probe()
            except (RedisError, OSError, TimeoutError):
                await asyncio.sleep(self._probe_seconds)
            else:
                self._failed.clear()
                log.info("limiter_global")


class RateLimiter:
    """The limit of each key."""

    def __init__(self, settings: Settings) -> None:
        """No connection is made yet."""
        self._timeout_seconds = settings.redis_timeout_seconds
        self._client = redis_client.connect(settings, connections=_CONNECTIONS)
        self._global = RedisStore(options={})
        self._global._backend._client = self._client  # noqa: SLF001 - its URL form cannot carry our TLS options
        self._local = MemoryStore(options={"MAX_SIZE": _KEYS_MAX})
        self._limiters: dict[tuple[float, bool], BaseRateLimiter] = {}
        self._asked: dict[tuple[str, float], Together[None, Any]] = {}
        self.breaker = Breaker(self._connect_all)

    async def check(self, api_key_id: str, requests_per_second: float) -> None:
        """Count one request.

        Raises:
            ProblemError: 429, with the seconds after which one would pass.
        """
        try:
            result = await self._together(api_key_id, requests_per_second).ask(None)
        except TimeoutError:
            raise ProblemError(OVERLOADED, headers=retry_after(1.0)) from None
        if result.limited:
            wait = max(result.state.retry_after, 0.0)
            raise ProblemError(RATE_LIMITED, headers=retry_after(math.ceil(wait) or 1, spread=0.5))

    def _together(self, api_key_id: str, requests_per_second: float) -> Together[None, Any]:
        """What counts the requests of one key; those that come at the same time are counted in one call."""
        key = (api_key_id, requests_per_second)
        if (asked := self._asked.get(key)) is None:
            if len(self._asked) >= _KEYS_MAX:
                self._asked.clear()
            count = partial(self._count, api_key_id, requests_per_second)
            most = burst(requests_per_second)
            # No request is refused for waiting: each call is bounded in time, so the wait is this process's own.
            asked = self._asked[key] = Together(count, at_once=1, most=most, patience_seconds=math.inf)
        return asked

    async def _count(self, api_key_id: str, requests_per_second: float, requests: Sequence[None]) -> list[Any]:
        together = await self._ask(api_key_id, requests_per_second, cost=len(requests))
        if not together.limited or len(requests) == 1:
            return [together] * len(requests)
        # Not all may pass: count one by one, and refuse all after the first that is refused.
        results: list[Any] = []
        while len(results) < len(requests) and not (results and results[-1].limited):
            results.append(await self._ask(api_key_id, requests_per_second, cost=1))
        return results + results[-1:] * (len(requests) - len(results))

    async def _ask(self, api_key_id: str, requests_per_second: float, *, cost: int) -> Any:
        if self.breaker.closed:
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    return await self._limiter(requests_per_second, everywhere=True).limit(api_key_id, cost)
            except (StoreUnavailableError, RedisError, OSError, TimeoutError) as error:
                self.breaker.trip(error)
        metrics.LIMITER_LOCAL.inc(cost)
        return await self._limiter(requests_per_second, everywhere=False).limit(api_key_id, cost)

    def _limiter(self, requests_per_second: float, *, everywhere: bool) -> BaseRateLimiter:
        """The library's limiter for a rate: there are few different rates, and making one is not cheap."""
        key = (requests_per_second, everywhere)
        if (limiter := self._limiters.get(key)) is None:
            if len(self._limiters) >= _KEYS_MAX:
                self._limiters.clear()
            store = self._global if everywhere else self._local
            limiter = _limiter(requests_per_second, store)
            self._limiters[key] = limiter
        return limiter

    async def ask(self) -> None:
        """Write, as a check does: a full Redis, or a primary without its replicas, answers and yet takes nothing."""
        await self._client.set(_PROBE_KEY, b"", ex=60)

    async def _connect_all(self) -> None:
        await asyncio.gather(*(self.ask() for _ in range(_CONNECTIONS)))

    async def close(self) -> None:
        """Give the connections back."""
        with suppress(RedisError, OSError):
            await self._client.aclose()
