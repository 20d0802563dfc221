"""Connections to PostgreSQL: TLS with the server's name checked, and no call without a bound on its time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import URL, Engine, create_engine

from app import contract
from app.settings import Settings, load


def database_url(settings: Settings) -> URL:
    """The URL of the role's own user; verify-full: a certificate of the CA *and* for this host name."""
    return URL.create(
        "postgresql+psycopg",
        username=settings.postgresql_user,
        password=settings.postgresql_password.get_secret_value(),
        host=settings.postgresql_host,
        port=settings.postgresql_port,
        database=settings.postgresql_database,
        query={"sslmode": "verify-full", "sslrootcert": settings.postgresql_ca_file},
    )


def _engine_options(settings: Settings) -> dict[str, Any]:
    return {
        "pool_size": settings.postgresql_pool_size,
        "max_overflow": 0,
        "hide_parameters": True,  # an error message must not carry somebody's payload into the logs
        # A request that finds no free connection in this time is answered 503 rather than kept hanging.
        "pool_timeout": settings.postgresql_connect_timeout_seconds,
        "connect_args": _bounds(settings),
    }


def _bounds(settings: Settings) -> dict[str, Any]:
    return {
        "connect_timeout": settings.postgresql_connect_timeout_seconds,
        "application_name": f"millrace-{contract.user_of(settings.postgresql_user)}",
        # A server that vanished without a FIN is noticed in about this time, not in the kernel's 15 minutes. What
        # bounds a statement stands with the role (infra/servers/postgresql.py): behind a pool a session has no options.
        "tcp_user_timeout": contract.PEER_LOST_SECONDS * 1000,
        # A connection that waits for an answer sends only these.
        "keepalives_idle": 2,
        "keepalives_interval": 1,
        "keepalives_count": contract.PEER_LOST_SECONDS,
    }


@lru_cache(maxsize=1)
def engine() -> Engine:
    """This process's engine. Call it after a fork, never before: connections must not be shared between processes."""
    settings = load()
    return create_engine(database_url(settings), **_engine_options(settings))


def autocommit() -> Engine:
    """The same pool, for work that is one statement: no BEGIN and COMMIT around it."""
    return engine().execution_options(isolation_level="AUTOCOMMIT")


def connect_arguments(settings: Settings) -> dict[str, Any]:
    """The same for psycopg itself, which the gateway uses without SQLAlchemy (half the CPU per request)."""
    return {
        "host": settings.postgresql_host,
        "port": settings.postgresql_port,
        "dbname": settings.postgresql_database,
        "user": settings.postgresql_user,
        "password": settings.postgresql_password.get_secret_value(),
        "sslmode": "verify-full",
        "sslrootcert": settings.postgresql_ca_file,
        **_bounds(settings),
    }
