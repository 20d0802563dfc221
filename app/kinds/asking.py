"""The connection on which a task asks PostgreSQL something while it runs.

A task that has a transaction open asks on its connection. Another one may not be free: if all of a process's
connections were held by tasks that each asked for a second, all would wait in vain.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import Connection

from app.brokers.transactional import open_connection
from app.storage.engine import autocommit


@contextmanager
def asking() -> Iterator[Connection]:
    """The open transaction's connection; or one of the pool, for one statement without a transaction."""
    own = open_connection()
    if own is not None:
        yield own
        return
    with autocommit().connect() as connection:
        yield connection
