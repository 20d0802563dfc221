"""How long to wait after a failure, for a dependency that is away, and for a worker of another release."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import tenacity

from app import contract
from app.errors import DependencyAwayError
from app.settings import load
from app.storage.availability import is_away

T = TypeVar("T")

#: The delay between two tries of a message that waits for a worker of another release.
RELEASE_AGAIN_SECONDS = 10

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


def waits_for_release(headers: Mapping[str, Any], *, form_id: str | None) -> bool:
    """Whether a worker of another release may take the message that this one does not.

    While a deployment rolls, messages of one release reach workers of another. The header `millrace_form` identifies
    the form of the task's items that the sender has; `form_id` is this worker's, or None if it does not know the task.
    A message without the header does not wait.
    """
    form = headers.get(contract.MESSAGE_FORM)
    if form is None or form == form_id:
        return False
    since = float(headers.get(contract.MESSAGE_RELEASE_SINCE) or time.time())
    return time.time() - since < load().release_patience_seconds


def _end_of_process(error: BaseException | None) -> SystemExit | None:
    """The end that a hard time limit put to this process, where rolling back after it raised something else."""
    while error is not None and not isinstance(error, SystemExit):
        error = error.__cause__ or error.__context__
    return error
