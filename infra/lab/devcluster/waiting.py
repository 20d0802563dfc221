"""Waits for a condition, up to a deadline, and says what it waited for in vain."""

from __future__ import annotations

from collections.abc import Callable

from infra.waiting import poll

POLL_SECONDS = 0.2


class DevclusterError(Exception):
    """The cluster did not do what was asked; the message says what, and where to look."""


def until(what: str, condition: Callable[[], bool], seconds: float, *, explain: Callable[[], str] = str) -> None:
    """Ask until the answer is yes.

    Raises:
        DevclusterError: it was not in this time; `explain` adds what is known of the reason.
    """
    if not poll(condition, until=bool, seconds=seconds, every_seconds=POLL_SECONDS):
        raise DevclusterError(f"{what}: not after {seconds:.0f} s\n{explain()}".rstrip())
