"""Beat and its canaries, as their metrics show them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
from prometheus_client.parser import text_string_to_metric_families

from app import contract
from app.contract import QueueClass
from tests.harness.stack import Stack
from tests.harness.waiting import T, eventually

#: Often, so that the tests need not wait long.
EVERY_SECONDS = "1"
WORKERS = ("worker-interactive", "worker-bulk", "worker-external")


@contextmanager
def beating(stack: Stack) -> Iterator[Stack]:
    """The stack with every worker, and with beat."""
    stack.ensure(*WORKERS)
    stack.replace("beat", environment={"MILLRACE_CANARY_SECONDS": EVERY_SECONDS})
    try:
        yield stack
    finally:
        stack.remove("beat")


def metrics(stack: Stack, name: str, metric: str) -> dict[tuple[str, ...], float]:
    """Samples of a process by their labels' values, in the order of the labels' names."""
    with stack.metrics_client(name) as client:
        text = client.get("/metrics").text
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == metric
    }


def sent(stack: Stack, queue: QueueClass, outcome: str) -> float:
    """Canaries of beat by what became of them: published, skipped, failed."""
    return metrics(stack, "beat", contract.METRIC_CANARIES)[outcome, queue]


def seen(stack: Stack, queue: QueueClass) -> float:
    """Canaries that a worker started or threw away."""
    return metrics(stack, f"worker-{queue}", f"{contract.METRIC_CANARY_START_DELAY_SECONDS}_count")[(queue,)]


def soon(condition: Callable[[], T], what: str) -> T:
    """Wait for what metrics say; a process that is being replaced, or has to wait for a processor, says nothing."""
    return eventually(condition, what=what, tolerate=(httpx.HTTPError, KeyError))


def healthy(stack: Stack, mode: str) -> bool:
    """What beat's own probe says, asked for `live` or `ready`."""
    code, _ = stack.machines["beat"].docker.exec_run(["python", "-S", "-m", "app.telemetry.probe", mode])
    return bool(code == 0)


def assert_no_trace(stack: Stack, queue: QueueClass) -> None:
    """No dead letter and no recorded failure."""
    assert contract.dead_letter_queue(queue) not in stack.broker.messages()
    for table in ("dead_letters", "task_failures"):
        assert not stack.query(f"SELECT 1 FROM {table} WHERE task_name = %s", contract.TASK_CANARY)
