"""Waiting for a condition, never for time to pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
#: What is well does not take so long, however slow the machine: with forty processes for two cores a stack started in
#: 120 s. Whoever waits for less says why.
PATIENCE_SECONDS = 300.0


def eventually(
    condition: Callable[[], T | None],
    *,
    within: float = PATIENCE_SECONDS,
    what: str,
    every: float = 0.25,
    tolerate: tuple[type[BaseException], ...] = (),
) -> T:
    """Return the first true value of `condition`; what it raised or returned last is in the failure.

    Raises:
        AssertionError: it was not met in time.
    """
    deadline = time.monotonic() + within
    while True:
        last: object
        try:
            if value := condition():
                return value
            last = value
        except tolerate as error:
            last = f"{type(error).__name__}: {error}"
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {what} (last: {last})")
        time.sleep(every)
