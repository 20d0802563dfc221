"""Each sender's share of a queue. Messages within it leave the outbox first, so that a big sender delays no small one.

A share is a number of items a second, with a reserve. It is not a limit: messages beyond it are accepted, too, and
executed as fast as the workers can, but the relay sends them after the others (docs/patterns/fairness.md).
"""

from __future__ import annotations

from datetime import timedelta

from throttled.asyncio import MemoryStore, RateLimiterRegistry, per_duration

#: Senders whose shares are remembered; one that was forgotten has a full reserve again.
_SENDERS = 10_000
#: Items are counted per minute, so that shares below one a second are whole numbers too.
_PERIOD = timedelta(minutes=1)


class Shares:
    """The shares that this process has given away; each gateway counts for itself."""

    def __init__(self, *, per_second: float, reserve: int) -> None:
        """Begin with a full reserve for every sender."""
        per_minute = max(1, round(per_second * _PERIOD.total_seconds()))
        self._store = MemoryStore(options={"MAX_SIZE": _SENDERS})
        quota = per_duration(_PERIOD, limit=per_minute, burst=reserve)
        self._limiter = RateLimiterRegistry.get("gcra")(quota, self._store)

    async def take(self, api_key_id: str, queue: str, items: int) -> bool:
        """Whether these items are within the sender's share; if so, they are taken from it."""
        return not (await self._limiter.limit(f"{queue} {api_key_id}", items)).limited
