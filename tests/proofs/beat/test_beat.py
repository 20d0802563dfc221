"""Beat without workers, with frozen ones, with frozen servers, and with another beat beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import uuid_utils.compat

from app import contract
from app.contract import Role
from loadtests.mix.schedules import Schedules, first_id
from tests.harness import canaries, services
from tests.harness.canaries import EVERY_SECONDS, assert_no_trace, healthy, seen, sent, soon
from tests.harness.containers import Machine
from tests.harness.process_metrics import samples
from tests.harness.stack import QUICK, Stack
from tests.harness.waiting import eventually

ONE_AT_A_TIME = {"MILLRACE_WORKER_CONCURRENCY": "1", "MILLRACE_WORKER_PREFETCH_MULTIPLIER": "1"}


@pytest.fixture
def beating(single: Stack) -> Iterator[Stack]:
    """A stack with every worker, and with beat."""
    with canaries.beating(single) as stack:
        yield stack


def test_every_queue_has_its_canaries(beating: Stack) -> None:
    """Beat sends them through the real broker, a worker starts them, and none becomes a row or a dead letter."""
    for queue in contract.queue_names():
        (before,) = soon(lambda queue=queue: (seen(beating, queue),), "its worker tells")  # type: ignore[misc]
        soon(lambda queue=queue: sent(beating, queue, "sent") >= 3, "beat sends three")  # type: ignore[misc]
        soon(lambda queue=queue, before=before: seen(beating, queue) >= before + 3, "the worker starts three")  # type: ignore[misc]
        assert_no_trace(beating, queue)
    soon(lambda: healthy(beating, "ready"), "beat says that it is ready")


def test_canaries_wait_for_nobody(beating: Stack) -> None:
    """Without a worker none is sent: hours without one must not end in a queue full of canaries."""
    queue = "external"
    beating.remove("worker-external")
    soon(lambda: sent(beating, queue, "skipped") >= 3, "beat skips three")
    # What the worker had when it went, and what was sent before the broker noticed that. They have no time to live: the
    # broker would dead-letter what outlives it.
    waiting = beating.broker.messages().get(queue, 0)
    soon(lambda: sent(beating, queue, "skipped") >= 6, "beat skips three more")
    assert beating.broker.messages().get(queue, 0) == waiting, "they pile up"
    beating.ensure("worker-external")
    soon(lambda: seen(beating, queue) >= 2, "canaries go on")
    soon(lambda: queue not in beating.broker.messages(), "the queue is empty")


def test_canaries_that_are_too_old_are_acknowledged_and_seen(beating: Stack) -> None:
    """They neither run nor die, in the queue or out of it, and count: without them the slowest would never be seen."""
    queue = "external"
    beating.remove("beat")
    beating.replace("worker-external", environment={**QUICK, **ONE_AT_A_TIME})
    beating.replace("beat", environment={"MILLRACE_CANARY_SECONDS": EVERY_SECONDS})
    worker = beating.machines["worker-external"]
    worker.pause()
    try:
        # The first is on its way to the worker; the others grow old in the queue.
        before = sent(beating, queue, "sent")
        soon(lambda: sent(beating, queue, "sent") >= before + 5, "beat sends five to a frozen worker")
    finally:
        worker.unpause()
    soon(lambda: seen(beating, queue) == sent(beating, queue, "sent"), "each canary is seen")
    in_time = samples(beating, "worker-external", f"{contract.METRIC_CANARY_START_DELAY_SECONDS}_bucket")["1.0", queue]
    assert in_time < seen(beating, queue), "none was late: this test has shown nothing"
    assert_no_trace(beating, queue)


def test_an_outage_of_the_broker_is_survived_without_a_burst(beating: Stack) -> None:
    """Beat sends no canary, says that it is not ready, stays alive, and afterwards goes on at its pace."""
    queue = "interactive"
    soon(lambda: sent(beating, queue, "sent") >= 1, "beat sends")
    beating.machines["rabbitmq-1"].kill()
    soon(lambda: sent(beating, queue, "skipped") >= 5, "beat skips five")
    soon(lambda: not healthy(beating, "ready"), "beat is not ready")
    soon(lambda: healthy(beating, "live"), "beat is alive")
    beating.machines["rabbitmq-1"].start_again()
    beating.wait("rabbitmq-1")
    before = sent(beating, queue, "sent")
    soon(lambda: sent(beating, queue, "sent") >= before + 3, "beat sends again")
    soon(lambda: healthy(beating, "ready"), "beat is ready again")
    assert beating.machines["beat"].running
    due = sum(sent(beating, queue, outcome) for outcome in ("sent", "skipped", "failed"))
    began_at = samples(beating, "beat", "process_start_time_seconds")[()]
    assert due <= (time.time() - began_at) / float(EVERY_SECONDS) + 2, "missed canaries were made up for"


@pytest.mark.parametrize("server", ["rabbitmq-1", "postgresql"])
def test_a_frozen_server_holds_beat_up_for_a_bounded_time(beating: Stack, server: str) -> None:
    """A server that says nothing is worse than none: beat stays alive, and SIGTERM ends it in the middle."""
    queue = "interactive"
    soon(lambda: sent(beating, queue, "sent") >= 1, "beat sends")
    frozen = beating.machines[server]
    frozen.pause()
    try:
        soon(lambda: not healthy(beating, "ready"), "beat is not ready")
        soon(lambda: healthy(beating, "live"), "beat is alive")
        beat = beating.machines["beat"]
        beat.stop(timeout=30)
        assert beat.wait_ended() == 0, "it had to be killed"
    finally:
        frozen.unpause()


def test_two_beats_send_each_canary_once(beating: Stack) -> None:
    """Two beats send each slot once between them."""
    queue = "interactive"
    service = services.read("beat", beating._variables)
    second = Machine(
        service, beating._network, f"{beating._prefix}-second",
        environment={"MILLRACE_CANARY_SECONDS": EVERY_SECONDS}, heartbeats=beating.heartbeats,
    )  # fmt: skip
    second.start()
    try:
        eventually(second.consuming, what="the second beat looks at the schedules")
        soon(lambda: sent(beating, queue, "sent") >= 1, "beat sends")
        ids = "SELECT properties -> 'application_headers' ->> 'id' FROM outbox WHERE task_name = %s AND queue = %s"
        before = len(beating.query(ids, contract.TASK_CANARY, queue))
        soon(lambda: len(beating.query(ids, contract.TASK_CANARY, queue)) >= before + 8, "eight slots pass")
        found = [task_id for (task_id,) in beating.query(ids, contract.TASK_CANARY, queue)]
        assert len(found) == len(set(found))
        assert_no_trace(beating, queue)
    finally:
        second.remove()


def test_the_verdict_of_a_load_sees_a_slot_that_was_sent_twice(beating: Stack) -> None:
    """Each slot is one message; a second message for one of them turns the promise red."""
    schedules = Schedules(began_at=time.time())
    with beating.database(Role.WORKER) as rows:
        soon(lambda: [one.ok for one in schedules.judge(rows)] == [True], "canaries, each slot once")
        with rows.transaction(force_rollback=True):
            rows.execute(
                """
                INSERT INTO outbox SELECT %s, job_id, task_id, task_name, queue, properties, body
                FROM outbox WHERE task_name = %s AND message_id >= %s LIMIT 1
                """,
                (uuid_utils.compat.uuid7(), contract.TASK_CANARY, first_id(schedules.began_at)),
            )
            [twice] = schedules.judge(rows)
            assert not twice.ok
