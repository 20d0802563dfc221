"""A progress bar for what takes longer than two seconds; on stderr, so that stdout stays for the answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.deadletters.replay import Outcome

_AFTER_SECONDS = 2.0


@contextmanager
def shown_when_slow(verb: str, *, hidden: bool) -> Iterator[Callable[[Outcome], None]]:
    """Give a function to call with each outcome so far."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=hidden,
    )
    task = bar.add_task(verb, total=None)
    began = time.monotonic()
    started = False

    def advance(outcome: Outcome) -> None:
        nonlocal started
        if not started and time.monotonic() - began > _AFTER_SECONDS:
            bar.start()
            started = True
        bar.update(task, completed=outcome.done + outcome.refused, total=outcome.matched)

    try:
        yield advance
    finally:
        if started:
            bar.stop()
