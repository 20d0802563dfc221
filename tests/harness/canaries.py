"""Beat and its canaries, as their metrics show them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from app import contract
from tests.harness.process_metrics import samples
from tests.harness.stack import Stack
from tests.harness.waiting import T, eventually

#: Often, so that the tests need not wait long.
EVERY_SECONDS = "1"
WORKERS = tuple(f"worker-{queue}" for queue in contract.queue_names())


@contextmanager
def beating(stack: Stack) -> Iterator[Stack]:
    """The stack with every worker, and with beat."""
    stack.ensure(*WORKERS)
    stack.replace("beat", environment={"MILLRACE_CANARY_SECONDS": EVERY_SECONDS})
    try:
        yield stack
    finally:
        stack.remove("beat")


def sent(stack: Stack, queue: str, outcome: str) -> float:
    """Canaries of beat by what became of them: sent, skipped, missed, failed."""
    return samples(stack, "beat", contract.METRIC_SLOTS)[outcome, f"{contract.TASK_CANARY}@{queue}"]


def seen(stack: Stack, queue: str) -> float:
    """Canaries that a worker started or threw away."""
    return samples(stack, f"worker-{queue}", f"{contract.METRIC_CANARY_START_DELAY_SECONDS}_count")[(queue,)]


def soon(condition: Callable[[], T], what: str) -> T:
    """Wait for what metrics say; a process that is being replaced, or has to wait for a processor, says nothing."""
    return eventually(condition, what=what, tolerate=(httpx.HTTPError, KeyError))


def healthy(stack: Stack, mode: str) -> bool:
    """What beat's own probe says, asked for `live` or `ready`."""
    code, _ = stack.machines["beat"].docker.exec_run(["python", "-S", "-m", "app.telemetry.probe", mode])
    return bool(code == 0)


def assert_no_trace(stack: Stack, queue: str) -> None:
    """No dead letter and no recorded failure."""
    assert contract.dead_letter_queue(queue) not in stack.broker.messages()
    for table in ("dead_letters", "task_failures"):
        assert not stack.query(f"SELECT 1 FROM {table} WHERE task_name = %s", contract.TASK_CANARY)
