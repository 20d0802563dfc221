"""Sorts errors of PostgreSQL (by SQLSTATE), Redis and S3 (by class) by what helps against them.

A task that waits for a server that is away spends no attempt. A task that was refused, or that waited too long for a
lock, spends one.
"""

from __future__ import annotations

from enum import StrEnum

import psycopg
from redis import exceptions as redis
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeoutError

from app.errors import ChordWaitsError, ObjectStoreAwayError


class Trouble(StrEnum):
    """Three kinds of error, by what helps against them."""

    AWAY = "away"  # wait: nothing was tried
    CONTENDED = "contended"  # try again: it may pass, but it was a try
    REFUSED = "refused"  # the same would happen again


#: SQLSTATEs, or the class that is their beginning (https://www.postgresql.org/docs/current/errcodes-appendix.html).
#: Every other SQLSTATE means refused. The program limits (54) do, too: a task meets them again at each try.
_TROUBLES: tuple[tuple[str, Trouble, str], ...] = (
    ("08", Trouble.AWAY, "no connection; PgBouncer says 08P01 when its server is away"),
    ("25006", Trouble.AWAY, "the primary has become a standby, which answers but cannot write"),
    ("28", Trouble.AWAY, "wrong password: an operator's mistake or a rotation under way, never the task's fault"),
    ("3D000", Trouble.AWAY, "no such database: the server is being restored"),
    ("53100", Trouble.AWAY, "the server's disk is full"),
    ("53300", Trouble.AWAY, "too many connections: others hold them"),
    ("57P", Trouble.AWAY, "shutdown, crash, start-up: the server ends or is not there yet"),
    ("58", Trouble.AWAY, "the server's operating system failed"),
    ("40", Trouble.CONTENDED, "deadlock or serialization: the other transaction won"),
    ("55P03", Trouble.CONTENDED, "lock time-out: somebody holds the row or the table"),
    ("57014", Trouble.CONTENDED, "statement time-out: the query is too slow, or waits for a lock, as it may each time"),
)

#: Errors of Redis: no connection (also a wrong password, or a server that still loads its file), no answer, a primary
#: that has become a replica, a replica that has lost its primary, no memory left.
_REDIS_AWAY = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.MasterDownError,
    redis.OutOfMemoryError,
)
#: A primary that is cut off from its replicas answers with this; redis-py has no class for it.
_NO_REPLICAS = "NOREPLICAS"


def trouble(error: BaseException) -> Trouble:
    """What an error means; REFUSED for errors that come from no server."""
    if isinstance(error, PoolTimeoutError):
        return Trouble.AWAY  # all connections of this process are in use
    if isinstance(error, (*_REDIS_AWAY, ChordWaitsError, ObjectStoreAwayError)):
        return Trouble.AWAY
    if isinstance(error, redis.ResponseError):
        return Trouble.AWAY if str(error).startswith(_NO_REPLICAS) else Trouble.REFUSED
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return Trouble.REFUSED
    if cause.sqlstate is None:
        # Not from the server: it cannot be reached, or the connection broke. libpq gives no SQLSTATE for what a server
        # says while connecting either, so a wrong password comes here, too.
        return Trouble.AWAY if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError) else Trouble.REFUSED
    return next((what for state, what, _ in _TROUBLES if cause.sqlstate.startswith(state)), Trouble.REFUSED)


def is_away(error: BaseException) -> bool:
    """Whether the server cannot be reached; a task that waits for it spends no attempt."""
    return trouble(error) is Trouble.AWAY


def may_pass(error: BaseException) -> bool:
    """Whether the same may succeed later: what a loop that must never end tries again."""
    return trouble(error) is not Trouble.REFUSED
