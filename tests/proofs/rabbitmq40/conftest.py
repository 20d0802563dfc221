"""RabbitMQ 4.0, which Debian stable ships: lost nodes, as on 4.3."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.stack import Stack
from tests.harness.stacks import healed, session_stack

pytest_plugins = ["tests.harness.stacks"]


@pytest.fixture(scope="session")
def _cluster40(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    yield from session_stack(tmp_path_factory, "cluster40", version="4.0", nodes=3)


@pytest.fixture
def cluster40(_cluster40: Stack) -> Stack:
    """Three nodes of RabbitMQ 4.0."""
    return healed(_cluster40)
