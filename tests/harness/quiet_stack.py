"""A pytest plugin: servers from whose outbox nobody takes messages, for tests that deliver each message themselves.

List it after `tests.harness.stacks` in `pytest_plugins`.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Engine, create_engine

from app.contract import Role
from tests.harness.stack import Stack
from tests.harness.stacks import healed


@pytest.fixture(scope="module")
def quiet(_single: Stack) -> Iterator[Stack]:
    """One RabbitMQ node, and no relay."""
    stack = healed(_single)
    stack.remove("relay-1", "relay-2")
    yield stack
    stack.query("DELETE FROM outbox_pending; DELETE FROM ordered_items; DELETE FROM ordered_keys", role=Role.OWNER)


@pytest.fixture(scope="module")
def database(quiet: Stack) -> Iterator[Engine]:
    """PostgreSQL with a worker's rights."""

    def connect() -> psycopg.Connection:
        connection = quiet.database(Role.WORKER)
        connection.execute("SET statement_timeout = 0")  # a test says for how long one waits for another
        connection.autocommit = False
        return connection

    made = create_engine("postgresql+psycopg://", creator=connect, pool_size=8)
    yield made
    made.dispose()
