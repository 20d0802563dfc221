"""The stacks of AWS as their program registers them; each runs once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from infra.aws.recorder import record_stack
from infra.render.recorder import Registered


@cache
def _registered(stack: str) -> tuple[Registered, ...]:
    return record_stack(stack)


@pytest.fixture(scope="session")
def registered() -> Callable[[str], tuple[Registered, ...]]:
    """What a stack registers, by its name."""
    return _registered
