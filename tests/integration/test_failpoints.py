"""The named crash points: moments between two systems that a random kill does not hit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.contract import Role
from app.failpoints import Failpoint
from loadtests.history import Outcome
from tests.harness.drills import Drill, archived, wait_archived
from tests.harness.load import Load, assert_exact, count
from tests.harness.stack import QUICK, Stack
from tests.harness.waiting import eventually

SECONDS = 6.0
KILLED = 137


@pytest.mark.parametrize("failpoint", [Failpoint.RELAY_AFTER_CLAIM, Failpoint.RELAY_AFTER_CONFIRM])
def test_relay_crashes(single: Stack, load: Callable[..., Load], failpoint: Failpoint) -> None:
    """The only relay dies with claimed or confirmed messages in its hands; another takes over after the lease."""
    single.remove("relay-1", "relay-2")
    relay = single.replace("relay-1", environment={**QUICK, "MILLRACE_CRASH_AT": failpoint}, wait=False)
    with load(single, seconds=SECONDS) as running:
        assert relay.wait_ended() == KILLED
        single.ensure("relay-2")
    assert_exact(running.accounting())


@pytest.mark.parametrize("failpoint", [Failpoint.WORKER_MIDDLE_OF_CHUNK, Failpoint.WORKER_AFTER_COMMIT])
@pytest.mark.parametrize("worker", ["worker-interactive", "worker-bulk"])
def test_worker_crashes(single: Stack, load: Callable[..., Load], worker: str, failpoint: Failpoint) -> None:
    """A child dies around its commit, before the acknowledgement; the message runs again, its effect does not."""
    machine = single.replace(worker, environment={**QUICK, "MILLRACE_CRASH_AT": failpoint})
    with load(single, seconds=SECONDS) as running:
        eventually(lambda: _lost_a_child(single, running), within=30, what="a child crashed")
    assert machine.running
    assert_exact(running.accounting())


def test_worker_crashes_after_a_retry_was_published(single: Stack, load: Callable[..., Load]) -> None:
    """A child dies between a retry's publish and the acknowledgement: two copies are under way, one effect comes of it.

    The first attempts fail because the worker may not write events; a drill's `raise` is final and makes no retry.
    """
    single.replace(
        "worker-interactive", environment={**QUICK, "MILLRACE_CRASH_AT": Failpoint.WORKER_AFTER_RETRY_PUBLISH}
    )
    single.query("REVOKE INSERT ON events FROM worker", role=Role.OWNER)
    try:
        with load(single, seconds=SECONDS) as running:
            eventually(lambda: _lost_a_child(single, running), within=30, what="a child crashed")
            single.query("GRANT INSERT ON events TO worker", role=Role.OWNER)
    finally:
        single.query("GRANT INSERT ON events TO worker", role=Role.OWNER)
    assert_exact(running.accounting())
    assert single.query("SELECT 1 FROM task_failures WHERE reason = 'retried' LIMIT 1")


def test_gateway_crashes_after_its_commit(single: Stack, load: Callable[..., Load]) -> None:
    """The gateway dies after the commit and before its answer: that request is unknown, and runs once."""
    gateway = single.replace("gateway", environment={**QUICK, "MILLRACE_CRASH_AT": Failpoint.GATEWAY_AFTER_COMMIT})
    # Long enough that the gateway is back before the load is over, on a busy machine too.
    with load(single, seconds=4 * SECONDS) as running:
        assert gateway.wait_ended() == KILLED
        single.ensure("gateway")
    accounting = running.accounting()
    assert count(running.history, Outcome.UNKNOWN) > 0
    assert accounting.unknown_executed > 0, "the request that was committed did not run"
    assert_exact(accounting)


def test_archiver_crashes_after_its_commit(single: Stack, load: Callable[..., Load]) -> None:
    """The archiver dies between its commit and the acknowledgement; the letter comes again and is archived once."""
    archiver = single.replace("archiver", environment={**QUICK, "MILLRACE_CRASH_AT": Failpoint.ARCHIVER_AFTER_COMMIT})
    with load(single, seconds=SECONDS) as running:
        drill = Drill(single, "raise", queue="bulk")
        assert archiver.wait_ended(within=60) == KILLED
    single.ensure("archiver")
    wait_archived(single, drill.task_id)
    assert_exact(running.accounting())
    assert len(archived(single, drill.task_id)) == 1


def _lost_a_child(stack: Stack, running: Load) -> bool:
    lost = stack.query(
        "SELECT task_id::text FROM task_failures WHERE reason = 'worker_lost' AND failed_at > to_timestamp(%s)",
        running.began_at,
    )
    return bool(lost)
