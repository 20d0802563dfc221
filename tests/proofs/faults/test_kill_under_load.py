"""P1 and P2: whatever single process dies under load, nothing is lost and nothing happens twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from loadtests.history import Outcome
from tests.harness.load import Load, assert_exact, count
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

SECONDS = 8.0
#: Effects that must be there before the fault: it shall hit work that is under way.
UNDER_WAY = 40


def test_relay_killed(single: Stack, load: Callable[..., Load]) -> None:
    """One of two relays is killed; the other sends what the dead one had leased."""
    with load(single, seconds=SECONDS) as running:
        running.wait_stored(UNDER_WAY)
        single.machines["relay-1"].kill()
    assert_exact(running.accounting())
    assert not single.machines["relay-1"].running


@pytest.mark.parametrize("worker", ["worker-interactive", "worker-bulk"])
def test_worker_parent_killed(single: Stack, load: Callable[..., Load], worker: str) -> None:
    """A worker's parent process is killed; its messages go back to the queue and run once."""
    machine = single.machines[worker]
    with load(single, seconds=SECONDS) as running:
        running.wait_stored(UNDER_WAY)
        machine.kill_parent()
        assert machine.wait_ended() == 137
        machine.start_again()
    assert_exact(running.accounting())


@pytest.mark.parametrize("worker", ["worker-interactive", "worker-bulk"])
def test_worker_child_killed(single: Stack, load: Callable[..., Load], worker: str) -> None:
    """A child of a worker's pool is killed; the worker lives on with another."""
    machine = single.machines[worker]
    with load(single, seconds=SECONDS) as running:
        running.wait_stored(UNDER_WAY)
        child = machine.kill_child()
        eventually(lambda: child not in machine.processes(), within=10, what="the child is gone")
    assert_exact(running.accounting())
    assert machine.running


def test_gateway_killed(single: Stack, load: Callable[..., Load]) -> None:
    """The gateway is killed; what it had answered with 202 runs once, what it had not answered runs once or never."""
    gateway = single.machines["gateway"]
    with load(single, seconds=SECONDS) as running:
        running.wait_stored(UNDER_WAY)
        gateway.kill()
        gateway.wait_ended()
        gateway.start_again()
    assert count(running.history, Outcome.UNKNOWN) > 0, "no request met the dead gateway"
    assert_exact(running.accounting())


def test_postgresql_killed(single: Stack, load: Callable[..., Load]) -> None:
    """PostgreSQL is killed and starts again: what was committed is there, and nothing was dead-lettered."""
    server = single.machines["postgresql"]
    with load(single, seconds=SECONDS + 4) as running:
        running.wait_stored(UNDER_WAY)
        server.kill()
        server.wait_ended()
        server.start_again()
    single.wait("postgresql")
    # Refused: the gateway knows that it has no connection, and says that nothing was accepted.
    assert count(running.history, Outcome.UNKNOWN, Outcome.REFUSED) > 0, "no request met the dead database"
    assert_exact(running.accounting())


def test_redis_stopped(single: Stack, load: Callable[..., Load]) -> None:
    """Redis stops for the whole load: no request fails, because the gateway's limit falls back to a local one."""
    single.machines["redis"].stop(timeout=3)
    with load(single, seconds=SECONDS) as running:
        running.wait_stored(UNDER_WAY)
    history = running.history
    assert count(history, Outcome.ACCEPTED) == len(history.attempts)
    assert_exact(running.accounting())
