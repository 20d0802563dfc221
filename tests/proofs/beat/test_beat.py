"""Beat: a canary for each queue at an even pace, timed by the worker that starts it; none leaves a trace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app import contract
from app.contract import QueueClass
from tests.harness import services
from tests.harness.containers import Machine
from tests.harness.stack import QUICK, Stack
from tests.harness.waiting import eventually

#: Often, so that the tests need not wait long.
EVERY_SECONDS = "1"
ONE_AT_A_TIME = {"MILLRACE_WORKER_CONCURRENCY": "1", "MILLRACE_WORKER_PREFETCH_MULTIPLIER": "1"}
WORKERS = ("worker-interactive", "worker-bulk", "worker-external")


@pytest.fixture
def beating(single: Stack) -> Iterator[Stack]:
    """A stack with every worker, and with beat."""
    single.ensure(*WORKERS)
    single.replace("beat", environment={"MILLRACE_CANARY_SECONDS": EVERY_SECONDS})
    try:
        yield single
    finally:
        single.remove("beat")


def _metrics(stack: Stack, name: str, metric: str) -> dict[tuple[str, ...], float]:
    """Samples of a process by their labels' values, in the order of the labels' names."""
    with stack.metrics_client(name) as client:
        text = client.get("/metrics").text
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == metric
    }


def _sent(stack: Stack, queue: QueueClass, outcome: str) -> float:
    return _metrics(stack, "beat", contract.METRIC_CANARIES)[outcome, queue]


def _seen(stack: Stack, queue: QueueClass) -> float:
    """Canaries that a worker started or threw away."""
    return _metrics(stack, f"worker-{queue}", f"{contract.METRIC_CANARY_START_DELAY_SECONDS}_count")[(queue,)]


def _eventually(condition: Any, what: str, *, within: float = 60) -> None:
    eventually(condition, within=within, what=what, tolerate=(httpx.HTTPError, KeyError))


def _healthy(stack: Stack, mode: str) -> bool:
    code, _ = stack.machines["beat"].docker.exec_run(["python", "-S", "-m", "app.telemetry.probe", mode])
    return bool(code == 0)


def _no_trace(stack: Stack, queue: QueueClass) -> None:
    assert contract.dead_letter_queue(queue) not in stack.broker.messages()
    for table in ("dead_letters", "task_failures"):
        assert not stack.query(f"SELECT 1 FROM {table} WHERE task_name = %s", contract.TASK_CANARY)


@pytest.mark.parametrize("queue", QueueClass)
def test_every_queue_has_its_canaries(beating: Stack, queue: QueueClass) -> None:
    """Beat sends them through the real broker, a worker starts them, and none becomes a row or a dead letter."""
    before = _seen(beating, queue)
    _eventually(lambda: _sent(beating, queue, "published") >= 3, "beat sends three")
    _eventually(lambda: _seen(beating, queue) >= before + 3, "the worker starts three")
    assert _healthy(beating, "ready")
    _no_trace(beating, queue)


def test_canaries_wait_for_nobody(beating: Stack) -> None:
    """Without a worker none is sent: hours without one must not end in a queue full of canaries."""
    queue = QueueClass.EXTERNAL
    beating.remove("worker-external")
    _eventually(lambda: _sent(beating, queue, "skipped") >= 3, "beat skips three")
    # What the worker had when it went, and what was sent before the broker noticed that. They have no time to live: the
    # broker would dead-letter what outlives it.
    waiting = beating.broker.messages().get(queue, 0)
    assert waiting <= 2
    _eventually(lambda: _sent(beating, queue, "skipped") >= 6, "beat skips three more")
    assert beating.broker.messages().get(queue, 0) == waiting, "they pile up"
    beating.ensure("worker-external")
    _eventually(lambda: _seen(beating, queue) >= 2, "canaries go on")
    _eventually(lambda: queue not in beating.broker.messages(), "the queue is empty")


def test_canaries_that_are_too_old_are_acknowledged_and_seen(beating: Stack) -> None:
    """They neither run nor die, in the queue or out of it, and count: without them the slowest would never be seen."""
    queue = QueueClass.EXTERNAL
    beating.remove("beat")
    beating.replace("worker-external", environment={**QUICK, **ONE_AT_A_TIME})
    beating.replace("beat", environment={"MILLRACE_CANARY_SECONDS": EVERY_SECONDS})
    worker = beating.machines["worker-external"].docker
    worker.pause()
    try:
        # The first is on its way to the worker; the others grow old in the queue.
        before = _sent(beating, queue, "published")
        _eventually(lambda: _sent(beating, queue, "published") >= before + 5, "beat sends five to a frozen worker")
    finally:
        worker.unpause()
    _eventually(lambda: _seen(beating, queue) == _sent(beating, queue, "published"), "each canary is seen")
    in_time = _metrics(beating, "worker-external", f"{contract.METRIC_CANARY_START_DELAY_SECONDS}_bucket")["1.0", queue]
    assert in_time < _seen(beating, queue), "none was late: this test has shown nothing"
    _no_trace(beating, queue)


def test_an_outage_of_the_broker_is_survived_without_a_burst(beating: Stack) -> None:
    """Beat fails within a bounded time, says that it is not ready, stays alive, and afterwards goes on at its pace."""
    queue = QueueClass.INTERACTIVE
    _eventually(lambda: _sent(beating, queue, "published") >= 1, "beat sends")
    beating.machines["rabbitmq-1"].kill()
    _eventually(lambda: _sent(beating, queue, "failed") >= 5, "beat fails five times")
    assert not _healthy(beating, "ready")
    assert _healthy(beating, "live")
    beating.machines["rabbitmq-1"].start_again()
    beating.wait("rabbitmq-1")
    before = _sent(beating, queue, "published")
    _eventually(lambda: _sent(beating, queue, "published") >= before + 3, "beat sends again")
    _eventually(lambda: _healthy(beating, "ready"), "beat is ready again")
    assert beating.machines["beat"].running
    due = sum(_sent(beating, queue, outcome) for outcome in ("published", "skipped", "failed"))
    began_at = _metrics(beating, "beat", "process_start_time_seconds")[()]
    assert due <= (time.time() - began_at) / float(EVERY_SECONDS) + 2, "missed canaries were made up for"


def test_a_frozen_broker_holds_beat_up_for_a_bounded_time(beating: Stack) -> None:
    """A server that says nothing is worse than none: publishes fail nevertheless, and SIGTERM ends it in the middle."""
    queue = QueueClass.INTERACTIVE
    _eventually(lambda: _sent(beating, queue, "published") >= 1, "beat sends")
    broker = beating.machines["rabbitmq-1"].docker
    broker.pause()
    try:
        _eventually(lambda: _sent(beating, queue, "failed") >= 1, "a publish fails")
        assert _healthy(beating, "live")
        beat = beating.machines["beat"]
        beat.stop(timeout=8)
        assert beat.wait_ended() == 0, "it had to be killed"
    finally:
        broker.unpause()


def test_two_beats_do_no_harm(beating: Stack) -> None:
    """Twice the canaries, each timed for itself."""
    queue = QueueClass.INTERACTIVE
    service = services.read("beat", beating._variables)
    second = Machine(
        service, beating._network, f"{beating._prefix}-second", environment={"MILLRACE_CANARY_SECONDS": EVERY_SECONDS}
    )
    second.start()
    try:
        before = _sent(beating, queue, "published"), _seen(beating, queue)
        _eventually(lambda: _sent(beating, queue, "published") >= before[0] + 5, "five intervals pass")
        _eventually(lambda: _seen(beating, queue) >= before[1] + 9, "the workers see those of both")
        _no_trace(beating, queue)
    finally:
        second.remove()
