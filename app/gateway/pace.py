"""Long work in slices: whoever has run for some milliseconds lets the other requests run."""

from __future__ import annotations

import asyncio
import time

#: What others wait for at most, but for one payload or one batch that is begun.
_SLICE_SECONDS = 0.005


class Pace:
    """The slices of one request."""

    def __init__(self) -> None:
        """The first slice begins."""
        self._since = time.perf_counter()

    async def breathe(self) -> None:
        """Let the others run if the slice is over."""
        if time.perf_counter() - self._since >= _SLICE_SECONDS:
            await asyncio.sleep(0)
            self._since = time.perf_counter()
