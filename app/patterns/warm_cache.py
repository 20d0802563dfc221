"""A value that is expensive to compute and that many need: computed by one at a time (docs/patterns/warm-cache.md)."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import structlog

from app.errors import ComeBackLaterError
from app.patterns.redis_server import Script

log = structlog.get_logger(__name__)

#: How long tokens are counted on: nobody computes for a day.
_FENCE_MILLISECONDS = 24 * 3600 * 1000
#: Between two looks of one who waits, with as much jitter.
_LOOK_SECONDS = 0.05

_TAKE = Script("warm_cache_take.lua")
_END = Script("warm_cache_end.lua")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmCache:
    """Values by key, as JSON, in Redis.

    keep_seconds: a value is used for so long.
    holder_seconds: who computes is replaced after so long; longer than a computation takes.
    wait_seconds: a caller waits in place for so long; then its task comes back later, at the same attempt.
    """

    name: str
    keep_seconds: float
    holder_seconds: float
    wait_seconds: float = 2.0

    def get(self, key: str, compute: Callable[[], Any]) -> Any:
        """The value; if there is none, one caller computes it and the others wait for it.

        Raises:
            ComeBackLaterError: somebody else still computes it.
            redis.RedisError: Redis is away; the task waits for Redis.
        """
        return self._get(key, compute, refresh=False)

    def refresh(self, key: str, compute: Callable[[], Any]) -> Any:
        """Compute a new value while callers use the old one; what a schedule calls before the old one is over.

        Raises:
            ComeBackLaterError: somebody else computes it.
            redis.RedisError: Redis is away; the task waits for Redis.
        """
        return self._get(key, compute, refresh=True)

    def _get(self, key: str, compute: Callable[[], Any], *, refresh: bool) -> Any:
        keys = [f"cache:{{{self.name}:{key}}}:{what}" for what in ("value", "holder", "fence")]
        deadline = time.monotonic() + self.wait_seconds
        while True:
            arguments = [uuid4().hex, _milli(self.holder_seconds), _FENCE_MILLISECONDS, int(refresh)]
            value, fence = _TAKE(keys, arguments)
            if value is not None:
                return json.loads(value)
            if fence:
                computed = self._compute(keys, fence, compute)
                if computed is not None:
                    return json.loads(computed)
                refresh = False  # somebody else has a newer one, or will
            elif time.monotonic() > deadline:
                raise ComeBackLaterError(f"({self.name!r} is being computed)", delay_seconds=self.wait_seconds)
            else:
                time.sleep(_LOOK_SECONDS * (1 + random.random()))  # noqa: S311 - spreads, hides nothing

    def _compute(self, keys: list[str], fence: int, compute: Callable[[], Any]) -> str | None:
        """The value as JSON, if it was stored; None for one who is late."""
        computed = ""
        try:
            computed = json.dumps(compute())
        finally:
            stored = _END(keys, [fence, computed, _milli(self.keep_seconds)])
            if not stored:
                log.warning("late_value_refused", cache=self.name, fence=fence)
        return computed if stored else None


def _milli(seconds: float) -> int:
    return round(seconds * 1000)
