"""Values that are expensive to compute and that many tasks need; one task computes (docs/patterns/warm-cache.md)."""

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

#: Redis forgets the last fencing token after this time; no computation lasts a day.
_FENCE_MILLISECONDS = 24 * 3600 * 1000
#: The shortest time between two looks of a waiting caller; jitter adds up to as much again.
_LOOK_SECONDS = 0.05

_TAKE = Script("warm_cache_take.lua")
_END = Script("warm_cache_end.lua")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmCache:
    """Values by key, as JSON, in Redis.

    keep_seconds: how long a value is used.
    holder_seconds: how long one caller may compute before another replaces it; choose more than a computation takes.
    wait_seconds: how long a caller waits in place; then its task comes back later, at the same attempt.
    """

    name: str
    keep_seconds: float
    holder_seconds: float
    wait_seconds: float = 2.0

    def get(self, key: str, compute: Callable[[], Any]) -> Any:
        """Return the value. If there is none, one caller computes it and the others wait.

        Raises:
            ComeBackLaterError: another caller still computes the value.
            redis.RedisError: Redis is away; the task waits for Redis.
        """
        return self._get(key, compute, refresh=False)

    def refresh(self, key: str, compute: Callable[[], Any]) -> Any:
        """Compute a new value while callers use the old one. A schedule calls this before the old value expires.

        Raises:
            ComeBackLaterError: another caller computes the value.
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
                refresh = False  # another caller has stored a newer value, or computes one
            elif time.monotonic() > deadline:
                raise ComeBackLaterError(f"({self.name!r} is being computed)", delay_seconds=self.wait_seconds)
            else:
                time.sleep(_LOOK_SECONDS * (1 + random.random()))  # noqa: S311 - no secret

    def _compute(self, keys: list[str], fence: int, compute: Callable[[], Any]) -> str | None:
        """Compute and store the value. Returns it as JSON, or None if this holder is late and nothing was stored."""
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
