"""Beat: a canary for each queue at an even pace, timed by the worker that starts it; none leaves a trace."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from app.contract import QueueClass
from tests.harness import canaries
from tests.harness.canaries import EVERY_SECONDS, assert_no_trace, healthy, metrics, seen, sent, soon
from tests.harness.stack import Stack


@pytest.fixture
def beating(cluster: Stack) -> Iterator[Stack]:
    """A stack with every worker, and with beat."""
    with canaries.beating(cluster) as stack:
        yield stack


def test_every_queue_has_its_canaries(beating: Stack) -> None:
    """Beat sends them through the real broker, a worker starts them, and none becomes a row or a dead letter."""
    for queue in QueueClass:
        (before,) = soon(lambda queue=queue: (seen(beating, queue),), "its worker tells")  # type: ignore[misc]
        soon(lambda queue=queue: sent(beating, queue, "published") >= 3, "beat sends three")  # type: ignore[misc]
        soon(lambda queue=queue, before=before: seen(beating, queue) >= before + 3, "the worker starts three")  # type: ignore[misc]
        assert_no_trace(beating, queue)
    soon(lambda: healthy(beating, "ready"), "beat says that it is ready")


def test_an_outage_of_the_broker_is_survived_without_a_burst(beating: Stack) -> None:
    """Beat fails within a bounded time, says that it is not ready, stays alive, and afterwards goes on at its pace."""
    queue = QueueClass.INTERACTIVE
    soon(lambda: sent(beating, queue, "published") >= 1, "beat sends")
    for node in beating.nodes:
        beating.machines[node].kill()
    soon(lambda: sent(beating, queue, "failed") >= 5, "beat fails five times")
    assert not healthy(beating, "ready")
    assert healthy(beating, "live")
    for node in beating.nodes:
        beating.machines[node].start_again()
    before = sent(beating, queue, "published")
    soon(lambda: sent(beating, queue, "published") >= before + 3, "beat sends again")
    soon(lambda: healthy(beating, "ready"), "beat is ready again")
    assert beating.machines["beat"].running
    due = sum(sent(beating, queue, outcome) for outcome in ("published", "skipped", "failed"))
    began_at = metrics(beating, "beat", "process_start_time_seconds")[()]
    assert due <= (time.time() - began_at) / float(EVERY_SECONDS) + 2, "missed canaries were made up for"
