"""A stack's servers, without its processes, as if somebody else ran them."""

from __future__ import annotations

import pytest

from tests.harness.stack import Stack

pytest_plugins = ["tests.harness.stacks"]


@pytest.fixture
def stack(_single: Stack) -> Stack:
    """One node of each."""
    return _single
