"""A pytest plugin: one stack on Redis for a session; `tests.harness.stacks` must be named before it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.harness.redis_stack import RedisStack
from tests.harness.stacks import registered


@pytest.fixture(scope="session")
def _on_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisStack]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    with registered(RedisStack(f"redis-{worker}", tmp_path_factory.mktemp("redis"))) as stack:
        yield stack


@pytest.fixture
def on_redis(_on_redis: RedisStack) -> RedisStack:
    """Everything running, nothing under way."""
    return _on_redis.healed()
