"""Queues, tasks, jobs and batches that are paused and revoked, on real servers, through restarts."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from app.contract import Role
from tests.harness import jobs
from tests.harness.stack import Stack

pytest_plugins = ["tests.harness.stacks"]

_TABLE = "CREATE TABLE IF NOT EXISTS tasks.control_runs (task text NOT NULL, run text NOT NULL, attempt int NOT NULL)"


@pytest.fixture
def stack(single: Stack) -> Iterator[Stack]:
    """A stack with nothing paused, before and after."""
    single.query(_TABLE, role=Role.OWNER)
    yield single
    single.query("UPDATE pauses SET resumed_at = now() WHERE resumed_at IS NULL", role=Role.OWNER)
    for table in ("outbox_held", "pauses", "put_back", "checkpoints", "tasks.control_runs"):
        single.query(f"DELETE FROM {table}", role=Role.OWNER)


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    """A client of an owner who has no jobs yet."""
    with jobs.owner(stack) as client:
        yield client
