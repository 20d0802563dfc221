"""docs/patterns/external-call.md: a customer is charged once, whatever dies, and whatever the far side says."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from app.contract import METRIC_FAR_SIDE_CALLS
from app.failpoints import Failpoint
from app.patterns.breaker import Breaker
from tests.harness.fleet import FarSide, Fleet, counted
from tests.harness.load import drain
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

CHARGES = "/v1/tasks/charge_customer"
LIES = ("does it, and says that it failed", "does it, and hangs up", "does it, and answers nonsense")


def _charge(stack: Stack, count: int = 1) -> list[dict[str, Any]]:
    """Ask for money over HTTP; returns what was asked."""
    charges = [{"charge_id": uuid4().hex, "customer": "c", "cents": 700} for _ in range(count)]
    with stack.http() as client:
        client.post(CHARGES, json=charges).raise_for_status()
    return charges


def _paid(stack: Stack, charges: list[dict[str, Any]]) -> int:
    ids = [charge["charge_id"] for charge in charges]
    return int(stack.query("SELECT count(*) FROM tasks.charges WHERE charge_id = ANY(%s)", ids)[0][0])


def _wait_paid(stack: Stack, charges: list[dict[str, Any]]) -> None:
    eventually(lambda: _paid(stack, charges) >= len(charges), what="all are paid")


def _all_paid(stack: Stack, far_side: FarSide, charges: list[dict[str, Any]]) -> None:
    """Check that each was charged once, here and at the far side."""
    _wait_paid(stack, charges)
    drain(stack)
    assert _paid(stack, charges) == len(charges)
    assert len(far_side.done()) == len(set(far_side.done())) == len(charges)
    assert stack.query("SELECT count(*) FROM dead_letters WHERE task_name = 'charge_customer'") == [(0,)]


def test_a_crash_between_call_and_record(stack: Stack, far_side: FarSide, fleet: Fleet) -> None:
    """The worker dies after its call: the next run looks the call up, also at a far side that ignores keys."""
    [worker] = fleet.start(1, MILLRACE_CRASH_AT=Failpoint.WORKER_AFTER_CALL)
    far_side.behave("well", ignores_keys=True)
    charges = _charge(stack)
    eventually(lambda: worker.crashed_at(Failpoint.WORKER_AFTER_CALL), what="a child died")
    _all_paid(stack, far_side, charges)
    assert [call["key"] is None for call in far_side.seen("/charges")] == [False, True], "looked up, not repeated"


def test_a_blind_repeat_is_seen(stack: Stack, far_side: FarSide, fleet: Fleet) -> None:
    """A planted bug (tests/mutants): without the look-up this far side charges twice."""
    [worker] = fleet.start(1, program="blind_repeat", MILLRACE_CRASH_AT=Failpoint.WORKER_AFTER_CALL)
    far_side.behave("well", ignores_keys=True)
    charges = _charge(stack)
    eventually(lambda: worker.crashed_at(Failpoint.WORKER_AFTER_CALL), what="a child died")
    with pytest.raises(AssertionError):
        _all_paid(stack, far_side, charges)
    assert len(far_side.done()) == 2


def test_a_far_side_that_lies(stack: Stack, far_side: FarSide, fleet: Fleet) -> None:
    """The far side charges and answers an error: the attempt fails, and the next one looks the charge up."""
    fleet.start(3)
    charges = []
    for lie in LIES:
        far_side.behave(lie, times=2, ignores_keys=True)
        lied_about = _charge(stack, 3)
        _wait_paid(stack, lied_about)
        charges += lied_about
    _all_paid(stack, far_side, charges)
    # Only calls carry a key; a look-up has it in its path.
    assert sum(call["key"] is not None for call in far_side.seen("/charges")) == len(charges)


def test_second_deliveries(stack: Stack, far_side: FarSide, fleet: Fleet) -> None:
    """The same charge in two requests, while workers are killed, makes one call and one receipt."""
    workers = fleet.start(3)
    charges = _charge(stack, 20)
    with stack.http() as client:
        client.post(CHARGES, json=charges).raise_for_status()
    eventually(lambda: len(far_side.done()) >= 3, what="it is under way", every=0.05)
    for worker in workers[:2]:
        worker.kill()
    for worker in workers[:2]:
        worker.wait_ended()
        worker.start_again()
    _all_paid(stack, far_side, charges)


def test_retry_after_is_obeyed_and_spends_one_attempt(stack: Stack, far_side: FarSide, fleet: Fleet) -> None:
    """There is no call before the time that a 429 names, and then one."""
    fleet.start(3)
    far_side.behave("refuses", status=429, retry_after=5, times=1)
    charges = _charge(stack)
    _all_paid(stack, far_side, charges)
    first, second = far_side.times("/charges")
    assert second - first >= 5
    assert stack.query("SELECT count(*) FROM task_failures") == [(1,)]


def test_the_breaker_is_everybodys(stack: Stack, far_side: FarSide, fleet: Fleet) -> None:
    """If the far side is down, few of 30 charges call it; when it is back all are paid, and none is dead-lettered."""
    workers = fleet.start(3)
    before = counted(stack, workers, METRIC_FAR_SIDE_CALLS)
    far_side.behave("refuses", status=503)
    charges = _charge(stack, 30)
    opened = "SELECT 1 FROM far_sides WHERE far_side = 'payments' AND open_until > now()"
    eventually(lambda: stack.query(opened), what="the breaker opens")
    eventually(lambda: not stack.query(opened), what="it lets one call try")
    times = far_side.times("/charges")
    # Five in a row open it; what five other processes had begun by then may come on top, and a probe each time.
    assert len(times) <= 5 + 5 + 1 + (times[-1] - times[0]) // Breaker().open_seconds
    far_side.behave("well")
    _all_paid(stack, far_side, charges)
    now = counted(stack, workers, METRIC_FAR_SIDE_CALLS) - before
    assert now["payments", "recorded"] == len(charges)
    assert now["payments", "failed"] >= 5
    assert now["payments", "held"] > 0
