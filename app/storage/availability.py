"""Tells "PostgreSQL is away" from "PostgreSQL says no": the first is waited out, the second is a failure."""

from __future__ import annotations

import psycopg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, TimeoutError as PoolTimeoutError

#: A primary that became a standby answers, but cannot write: to us it is away (25006, read_only_sql_transaction).
_AWAY_STATES = ("25006",)


def is_away(error: BaseException) -> bool:
    """Whether trying the same again later can help: no connection, shutdown, failover, deadlock, statement timeout."""
    if isinstance(error, PoolTimeoutError | psycopg.OperationalError | psycopg.InterfaceError):
        return True
    if isinstance(error, DBAPIError):
        if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
            return True
        return getattr(error.orig, "sqlstate", None) in _AWAY_STATES
    return False
