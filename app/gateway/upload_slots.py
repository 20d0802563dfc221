"""The slots of uploads that are under way at once in this process: so many in all, and fewer for one API key.

Each upload may fill its part of the spool, and a slow one takes minutes. Without the second bound one API key could
hold all slots, and nobody else could upload.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from app.gateway.problems import OVERLOADED, RATE_LIMITED, ProblemError, retry_after

_RETRY_SECONDS = 2.0


class UploadSlots:
    """Counts the uploads under way. All calls come from one event loop."""

    def __init__(self, *, at_once: int, of_one_key: int) -> None:
        """Nothing is under way."""
        self._at_once, self._of_one_key = at_once, of_one_key
        self._taken: Counter[str] = Counter()

    @contextmanager
    def one(self, api_key_id: str) -> Iterator[None]:
        """Hold a slot in this block.

        Raises:
            ProblemError: 429 if this key has its slots already, 503 if all slots are taken.
        """
        if self._taken[api_key_id] >= self._of_one_key:
            detail = f"{self._of_one_key} uploads of this API key are under way."
            raise ProblemError(RATE_LIMITED, detail, headers=retry_after(_RETRY_SECONDS))
        if self._taken.total() >= self._at_once:
            raise ProblemError(OVERLOADED, "Other uploads are under way.", headers=retry_after(_RETRY_SECONDS))
        self._taken[api_key_id] += 1
        try:
            yield
        finally:
            self._taken[api_key_id] -= 1
            self._taken += Counter()  # drops the keys that have none
