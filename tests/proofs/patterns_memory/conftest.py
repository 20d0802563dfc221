"""Tasks that leak, take too much memory, or use a processor, on one small stack."""

from __future__ import annotations

import pytest

from tests.harness import memory
from tests.harness.stack import Stack

pytest_plugins = ["tests.harness.stacks"]


@pytest.fixture
def stack(single: Stack) -> Stack:
    """One RabbitMQ node, and the tables of the leaky tasks."""
    memory.prepare(single)
    return single
