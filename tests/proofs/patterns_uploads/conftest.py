"""Uploads and claim checks on real servers: killed, repeated, without S3, with damaged content."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from app.contract import Role
from tests.harness.stack import Stack

pytest_plugins = ["tests.harness.stacks"]


@pytest.fixture
def client(single: Stack) -> Iterator[httpx.Client]:
    """A client of the gateway; no dead letter or failure is left of an earlier test."""
    single.query("DELETE FROM dead_letters; DELETE FROM task_failures", role=Role.OWNER)
    with single.http() as made:
        yield made
