"""How long to wait: growing delays with jitter for failures, patience for a dependency that is away."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

import tenacity

from app.errors import DependencyAwayError
from app.storage.availability import is_away

T = TypeVar("T")

#: No delay grows beyond this, in seconds.
MAX_DELAY_SECONDS = 600.0
#: More of them are no longer a float.
_MOST_DOUBLINGS = 1000


def retry_delay_seconds(retries: int, *, base_seconds: float, jitter: Callable[[], float] = random.random) -> int:
    """Whole seconds (the delay ladder knows no others) before the next attempt: 2, 4, 8, …, each plus or minus half.

    Jitter spreads what failed together, so that it does not come back together.
    """
    delay = min(base_seconds * float(2 ** min(retries, _MOST_DOUBLINGS)), MAX_DELAY_SECONDS)
    return max(1, round(delay * (0.5 + jitter())))


def wait_out(body: Callable[[], T], *, patience_seconds: float) -> T:
    """Run `body`; while PostgreSQL or Redis is away, wait and run it again. It spends no attempt of the task.

    Raises:
        DependencyAwayError: still away after `patience_seconds`.
        SystemExit: this process is being ended.
    """

    def attempt() -> T:
        try:
            return body()
        except Exception as error:
            if (end := _end_of_process(error)) is not None:
                raise end from None
            raise

    waiting = tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_away),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=1.0),
        stop=tenacity.stop_after_delay(patience_seconds),
        reraise=True,
    )
    try:
        return waiting(attempt)
    except Exception as error:
        if is_away(error):
            raise DependencyAwayError((str(error) or repr(error)).splitlines()[0]) from error
        raise


def _end_of_process(error: BaseException | None) -> SystemExit | None:
    """The end that a hard time limit put to this process, where rolling back after it raised something else."""
    while error is not None and not isinstance(error, SystemExit):
        error = error.__cause__ or error.__context__
    return error
