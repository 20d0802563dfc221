"""Each sender's share of a queue. Messages within it leave the outbox first, so that a big sender delays no small one.

A share is a number of items a second, with a reserve. It is not a limit: messages beyond it are accepted, too, and
executed as fast as the workers can, but the relay sends them after the others (docs/patterns/fairness.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable

#: More senders than this are not kept in memory; those whose reserve is full are forgotten first.
_SENDERS = 10_000


class Shares:
    """The shares that this process has given away; each gateway counts for itself."""

    def __init__(self, *, per_second: float, reserve: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with a full reserve for every sender."""
        self._seconds_each = 1.0 / per_second
        self._reserve_seconds = reserve / per_second
        self._clock = clock
        #: When the reserve of a sender will be full again, by API key and queue.
        self._full_at: dict[tuple[str, str], float] = {}

    def take(self, api_key_id: str, queue: str, items: int) -> bool:
        """Whether these items are within the sender's share; if so, they are taken from it."""
        now = self._clock()
        if len(self._full_at) >= _SENDERS:
            self._full_at = {sender: at for sender, at in self._full_at.items() if at > now}
        full_at = max(now, self._full_at.get((api_key_id, queue), now)) + items * self._seconds_each
        if full_at - now > self._reserve_seconds:
            return False
        self._full_at[api_key_id, queue] = full_at
        return True
