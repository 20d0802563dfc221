"""The course of a fault that lasts: injected, noticed, held for its time, and taken back whatever happens meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from chaos.errors import NotConfirmedError
from chaos.waiting import wait_until

#: Tells the run of one event, as a line of JSON.
Say = Callable[[dict[str, Any]], object]


def hold(
    inject: Callable[[], float],
    clear: Callable[[], float],
    *,
    noticed: Callable[[], bool],
    unnoticed: Callable[[], str],
    notice_seconds: float,
    seconds: float,
    say: Say,
) -> None:
    """Inject, wait until it is noticed, hold it `seconds` long at least, and clear it, also after an error.

    `inject` and `clear` return when they did it, Unix seconds; `unnoticed` says how it looks when nobody noticed.

    Raises:
        NotConfirmedError: nobody noticed in `notice_seconds`.
    """
    try:
        injected_at = inject()
        say({"event": "injected", "injected_at": injected_at})
        if not wait_until(noticed, notice_seconds):
            raise NotConfirmedError(unnoticed())
        say({"event": "confirmed", "confirmed_at": time.time()})
        time.sleep(max(0.0, injected_at + seconds - time.time()))
    finally:
        say({"event": "cleared", "cleared_at": clear()})
