"""`python -m app wait`: what a pod does before its process starts, when everything is applied at once.

It asks as the role that will do the work, with that role's own permissions, and ends when all is there or time is up.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
import tenacity
from sqlalchemy.exc import SQLAlchemyError

from app.brokers.chosen import broker
from app.errors import NotReadyError
from app.settings import load
from app.storage.engine import engine
from app.storage.migrate import outstanding

log = structlog.get_logger(__name__)

_POLL_SECONDS = 1.0


def wait(*, migrations: bool, topology: bool, timeout_seconds: float) -> None:
    """Return when what is asked for is there.

    Raises:
        NotReadyError: it was not in time; the message says what was missing last.
    """
    checks: list[Callable[[], str | None]] = []
    if migrations:
        checks.append(missing_in_postgresql)
    if topology:
        checks.append(lambda: broker().missing(load()))
    deadline = time.monotonic() + timeout_seconds
    for check in checks:
        left_seconds = max(0.0, deadline - time.monotonic())
        missing = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda missing: missing is not None),
            stop=tenacity.stop_after_delay(left_seconds),
            wait=tenacity.wait_fixed(_POLL_SECONDS),
            before_sleep=_say,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else "",
        )(check)
        if missing is not None:
            raise NotReadyError(f"Not within {timeout_seconds:g} s: {missing}.")


def missing_in_postgresql() -> str | None:
    """What PostgreSQL lacks."""
    try:
        with engine().connect() as connection:
            return outstanding(connection)
    except SQLAlchemyError as error:
        return f"PostgreSQL: {str(getattr(error, 'orig', error)).splitlines()[0]}"


def _say(state: tenacity.RetryCallState) -> None:
    log.info("waiting", missing=state.outcome.result() if state.outcome else "")
