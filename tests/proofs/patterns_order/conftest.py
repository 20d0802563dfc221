"""Tasks in order, and fairness between tenants, on real servers."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Engine, create_engine

from app.contract import Role
from tests.harness.stack import Stack

pytest_plugins = ["tests.harness.stacks"]


@pytest.fixture(scope="module")
def quiet(_single: Stack) -> Iterator[Stack]:
    """The servers, without the processes that empty the outbox: the test delivers the messages itself."""
    from tests.harness.stacks import healed  # a plugin is not imported before pytest has registered it

    stack = healed(_single)
    stack.remove("relay-1", "relay-2")
    yield stack
    stack.query("DELETE FROM outbox_pending; DELETE FROM ordered_items; DELETE FROM ordered_keys", role=Role.OWNER)


@pytest.fixture(scope="module")
def database(quiet: Stack) -> Iterator[Engine]:
    """PostgreSQL with a worker's rights."""

    def connect() -> psycopg.Connection:
        connection = quiet.database(Role.WORKER)
        connection.autocommit = False
        return connection

    made = create_engine("postgresql+psycopg://", creator=connect, pool_size=8)
    yield made
    made.dispose()
