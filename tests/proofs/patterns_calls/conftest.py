"""A stack with a far side, and a fleet that all tests share and that a test may change."""

from __future__ import annotations

import pytest

from app.contract import Role
from tests.harness.fleet import FarSide, Fleet
from tests.harness.stack import Stack

pytest_plugins = ["tests.harness.stacks"]


@pytest.fixture(scope="session")
def _far_side(_single: Stack) -> FarSide:
    from tests.harness.stacks import healed  # pytest has to see the plugin before anybody imports it

    return FarSide(healed(_single))


@pytest.fixture(scope="session")
def _fleet(_single: Stack) -> Fleet:
    return Fleet(_single)


@pytest.fixture
def stack(_single: Stack, _far_side: FarSide) -> Stack:
    """One RabbitMQ node. Unlike `single` it is not healed: the fleet stays. No limit, call or letter is left."""
    with _single.redis() as session:
        session.flushdb()
    _single.query("DELETE FROM task_failures; DELETE FROM external_calls; DELETE FROM far_sides", role=Role.OWNER)
    _single.query("DELETE FROM dead_letters", role=Role.OWNER)
    return _single


@pytest.fixture
def far_side(_far_side: FarSide) -> FarSide:
    """The far side, without any calls yet."""
    _far_side.forget()
    return _far_side


@pytest.fixture
def fleet(_fleet: Fleet) -> Fleet:
    """Workers of the queue `external`."""
    return _fleet
