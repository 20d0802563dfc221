"""Work on SQS: executed once, through a killed worker and whatever SQS answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness.load import Load, assert_exact
from tests.harness.sqs_stack import SqsStack

Make = Callable[..., Load]


def test_single_events_and_lists_are_executed_once(sqs: SqsStack, load: Make) -> None:
    """From the gateway through outbox, relay and SQS into PostgreSQL."""
    with load(sqs) as running:
        running.wait_stored()
        running.wait_executed(since=running.began_at)

    assert_exact(running.accounting())


def test_a_killed_worker_loses_nothing(sqs: SqsStack, load: Make) -> None:
    """What it held is seen again when its time is over, and is executed once."""
    with load(sqs) as running:
        running.wait_stored()
        for name in ("worker-interactive", "worker-bulk"):
            sqs.machines[name].kill()
        for name in ("worker-interactive", "worker-bulk"):
            sqs.machines[name].start_again()
            sqs.wait(name)
        running.wait_executed(since=running.began_at)

    assert_exact(running.accounting())


@pytest.mark.parametrize(("how", "status"), [("error", 503), ("throttled", 400), ("expired", 400), ("silent", 599)])
def test_a_worker_outlives_what_sqs_answers(sqs: SqsStack, load: Make, how: str, status: int) -> None:
    """Kombu's own transport ends the worker at the first of these, and waits for ever at the last."""
    with load(sqs) as running:
        running.wait_stored()
        sqs.break_door(how)
        for name in ("worker-interactive", "worker-bulk"):
            sqs.failures_seen(name, status)
        sqs.break_door("open")
        running.wait_executed(since=running.began_at)

    assert_exact(running.accounting())
    for name in ("worker-interactive", "worker-bulk", "relay-1", "relay-2", "archiver"):
        assert sqs.machines[name].running
