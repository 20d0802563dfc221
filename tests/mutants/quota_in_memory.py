"""A planted bug: each gateway counts the stored bytes of an API key in its memory."""

from __future__ import annotations

from collections import Counter

from app.__main__ import main
from app.gateway.object_store import ObjectStore
from app.gateway.problems import UPLOAD_QUOTA, ProblemError, retry_after

_counted: Counter[str] = Counter()


async def count(self: ObjectStore, key: str, size_bytes: int, api_key_id: str) -> None:
    """Forget everything with the process."""
    if _counted[api_key_id] + size_bytes > self._bytes_a_day:
        raise ProblemError(UPLOAD_QUOTA, headers=retry_after(1))
    _counted[api_key_id] += size_bytes
    await self._mark(key)


ObjectStore._count = count  # type: ignore[method-assign]
main()
