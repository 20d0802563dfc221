"""Asks again until the answer is good or time is up. The one loop of all that waits in infra."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_delay, wait_fixed

T = TypeVar("T")


def poll(ask: Callable[[], T], *, until: Callable[[T], bool], seconds: float, every_seconds: float) -> T:
    """The last answer, good or not; what `ask` raises comes through."""

    def last(state: RetryCallState) -> T:
        assert state.outcome is not None  # noqa: S101 - it was asked once at least
        answer: T = state.outcome.result()
        return answer

    again = Retrying(
        stop=stop_after_delay(seconds),
        wait=wait_fixed(every_seconds),
        retry=retry_if_result(lambda answer: not until(answer)),
        retry_error_callback=last,
    )
    return again(ask)
