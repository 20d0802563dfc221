"""Asks again until it is so or time is up."""

from __future__ import annotations

from collections.abc import Callable

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed


def wait_until(condition: Callable[[], bool], seconds: float, *, every_seconds: float = 0.5) -> bool:
    """Wait for a condition, but not for ever; whether it was met. What it raises comes through."""
    again = Retrying(
        stop=stop_after_delay(seconds), wait=wait_fixed(every_seconds), retry=retry_if_result(lambda met: not met)
    )
    try:
        return bool(again(condition))
    except RetryError:
        return False
