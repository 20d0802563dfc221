"""Schema changes that give way: whoever waits for a table's lock makes everybody behind it wait as well.

A dump or an auditor reads for an hour. DDL that queues behind them blocks each insert that comes after it, for as long
as it waits (BR-21). So it waits briefly, lets the others through and tries again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import tenacity
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

T = TypeVar("T")

#: Shorter than a gateway's deadline of 5 s; longer than the second after which PostgreSQL ends a vacuum that is in the
#: way.
LOCK_TIMEOUT_SECONDS = 2
#: What holds a lock ends in this time; with the wait for the lock it stays within the gateway's deadline.
CHANGE_TIMEOUT_SECONDS = 3

_BOUNDS = text("SELECT set_config('lock_timeout', :lock, true), set_config('statement_timeout', :statement, true)")


def giving_way(change: Callable[[], T], *, patience_seconds: float) -> T:
    """Run a change again while others hold what it needs.

    Raises:
        sqlalchemy.exc.DBAPIError: they still did after `patience_seconds`, or it is refused.
    """
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(_others_hold_it),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=5.0),
        stop=tenacity.stop_after_delay(patience_seconds),
        reraise=True,
    )(change)


def _others_hold_it(error: BaseException) -> bool:
    # Not a statement time-out: a change that is too big stays so, and holds the lock at each try.
    return isinstance(getattr(error, "orig", None), LockNotAvailable | DeadlockDetected)


def change_briefly(database: Engine, change: Callable[[Connection], T], *, patience_seconds: float) -> T:
    """Run a change in a transaction of its own that neither waits nor works for long.

    Raises:
        sqlalchemy.exc.DBAPIError: others were in the way until `patience_seconds` were over, or it is refused.
    """

    def transaction() -> T:
        with database.begin() as connection:
            connection.execute(_BOUNDS, {"lock": f"{LOCK_TIMEOUT_SECONDS}s", "statement": f"{CHANGE_TIMEOUT_SECONDS}s"})
            return change(connection)

    return giving_way(transaction, patience_seconds=patience_seconds)
