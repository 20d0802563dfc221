"""Which errors of PostgreSQL and Redis are waited out, which cost an attempt, and which end a loop."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors
from redis import exceptions as redis
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeoutError

from app.errors import ChordWaitsError
from app.storage.availability import Trouble, is_away, may_pass, trouble

AWAY: list[Exception] = [
    psycopg.OperationalError("connection refused"),  # libpq gives none of these a SQLSTATE
    psycopg.OperationalError('FATAL:  password authentication failed for user "worker"'),
    psycopg.InterfaceError("the connection is closed"),
    PoolTimeoutError("QueuePool limit"),
    errors.ConnectionFailure(),
    errors.ProtocolViolation(),  # PgBouncer: its server is away
    errors.AdminShutdown(),
    errors.CrashShutdown(),
    errors.CannotConnectNow(),
    errors.ReadOnlySqlTransaction(),
    errors.TooManyConnections(),
    errors.DiskFull(),
    errors.InvalidPassword(),
    errors.InvalidCatalogName(),
    errors.IoError(),
    redis.ConnectionError("connection refused"),
    redis.AuthenticationError("WRONGPASS"),
    redis.BusyLoadingError(),
    redis.TimeoutError(),
    redis.ReadOnlyError(),
    redis.OutOfMemoryError(),
    redis.ResponseError("NOREPLICAS Not enough good replicas to write."),
    ChordWaitsError(),
]
CONTENDED: list[Exception] = [
    errors.QueryCanceled("canceling statement due to statement timeout"),
    errors.LockNotAvailable(),
    errors.DeadlockDetected(),
    errors.SerializationFailure(),
]
REFUSED: list[Exception] = [
    redis.NoPermissionError(),
    redis.ResponseError("WRONGTYPE"),
    errors.ProgramLimitExceeded(),
    errors.StatementTooComplex(),
    errors.OutOfMemory(),
    errors.UniqueViolation(),
    errors.InvalidTextRepresentation(),
    errors.InsufficientPrivilege(),
    errors.IdleInTransactionSessionTimeout(),
    errors.UndefinedTable(),
    psycopg.DataError("no SQLSTATE: psycopg itself could not adapt a value"),
    ValueError("not of PostgreSQL"),
]


@pytest.mark.parametrize(
    ("error", "expected"),
    [(e, Trouble.AWAY) for e in AWAY]
    + [(e, Trouble.CONTENDED) for e in CONTENDED]
    + [(e, Trouble.REFUSED) for e in REFUSED],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_error_is_told_by_its_sqlstate(error: Exception, expected: Trouble) -> None:
    """A11, BR-39: as psycopg raises it, and as SQLAlchemy wraps it."""
    wrapped = [DBAPIError.instance("SELECT", {}, error, psycopg.Error)] if isinstance(error, psycopg.Error) else []

    for seen in (error, *wrapped):
        assert trouble(seen) is expected
        assert is_away(seen) == (expected is Trouble.AWAY)
        assert may_pass(seen) == (expected is not Trouble.REFUSED)
