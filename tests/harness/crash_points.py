"""The named crash points (app/failpoints.py) under load: moments between two systems that no random kill hits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from app import contract
from app.contract import Role
from app.failpoints import Failpoint
from tests.harness.containers import Machine
from tests.harness.drills import DRILL_USER, Drill, archived, wait_archived
from tests.harness.faults import KILLED, WORKERS, Fault
from tests.harness.load import Load
from tests.harness.messages import channel
from tests.harness.process_metrics import not_taken
from tests.harness.stack import QUICK, Stack
from tests.harness.waiting import eventually


def crashing(stack: Stack, name: str, point: Failpoint, *, wait: bool = True) -> Machine:
    """Start a process that dies the first time it passes the point."""
    return stack.replace(name, environment={**QUICK, "MILLRACE_CRASH_AT": point}, wait=wait)


def _relay(point: Failpoint, stack: Stack, load: Load) -> None:
    """The only relay dies with messages in its hands; another takes over when its lease is over."""
    stack.remove("relay-1", "relay-2")
    began_at = time.time()
    assert crashing(stack, "relay-1", point, wait=False).wait_ended() == KILLED
    stack.ensure("relay-2")
    load.wait_executed(since=began_at)


def _workers(point: Failpoint, stack: Stack, load: Load) -> None:
    """A child of each worker dies around its commit, before the acknowledgement."""
    began_at = time.time()
    stack.start_all({worker: {**QUICK, "MILLRACE_CRASH_AT": point} for worker in WORKERS.values()})
    _wait_children_lost(stack, *WORKERS, since=began_at)
    assert all(stack.machines[worker].running for worker in WORKERS.values())
    load.wait_executed(*WORKERS, since=began_at)


def _worker_after_retry(stack: Stack, load: Load) -> None:
    """A child dies between a retry's publish and the acknowledgement: two copies are under way.

    The first attempts fail because the worker may not write events; a drill's `raise` is final and makes no retry.
    """
    began_at = time.time()
    crashing(stack, WORKERS["interactive"], Failpoint.WORKER_AFTER_RETRY_PUBLISH)
    stack.query("REVOKE INSERT ON events FROM worker", role=Role.OWNER)
    try:
        _wait_children_lost(stack, "interactive", since=began_at)
    finally:
        stack.query("GRANT INSERT ON events TO worker", role=Role.OWNER)
    load.wait_executed(since=time.time())
    retried = "SELECT 1 FROM task_failures WHERE reason = 'retried' AND failed_at > to_timestamp(%s) LIMIT 1"
    assert stack.query(retried, began_at), "nothing was tried again: this has shown nothing"


def _gateway(point: Failpoint, stack: Stack, load: Load) -> None:
    """The gateway dies around its commit, before the answer: that request is unknown, and runs once or never."""
    # In order, so that the crash is the only death that an answer can be lost in.
    stack.machines["gateway"].stop(timeout=20)
    assert crashing(stack, "gateway", point, wait=False).wait_ended() == KILLED
    stack.ensure("gateway")
    load.wait_executed(since=time.time())


def _archiver(point: Failpoint, stack: Stack, load: Load) -> None:
    """The archiver dies around its commit, before the acknowledgement; the letter comes again, and is there once."""
    archiver = crashing(stack, "archiver", point)
    drill = Drill(stack, "raise", queue="bulk")
    load.expect(drill.event_id, DRILL_USER)
    assert archiver.wait_ended() == KILLED
    stack.ensure("archiver")
    wait_archived(stack, drill.task_id)
    assert len(archived(stack, drill.task_id)) == 1


@contextmanager
def unbound(stack: Stack, queue: str) -> Iterator[None]:
    """Take away the ways to a queue for the time of the body: the direct one, and the one from the delay ladder."""
    keys = (queue, f"#.{queue}")
    with channel(stack, Role.TOPOLOGY) as opened:
        for key in keys:
            opened.queue_unbind(queue, contract.TASKS_EXCHANGE, key)
        try:
            yield
        finally:
            for key in keys:
                opened.queue_bind(queue, contract.TASKS_EXCHANGE, key)


def _unroutable(stack: Stack, load: Load) -> None:
    """A work queue is unbound for a while. RabbitMQ confirms what it returns as unroutable: not sent all the same."""
    began_at, before = time.time(), not_taken(stack, "interactive", "unroutable")
    with unbound(stack, "interactive"):
        eventually(lambda: not_taken(stack, "interactive", "unroutable") > before, what="a message has nowhere to go")
    load.wait_executed("interactive", since=began_at)


def _wait_children_lost(stack: Stack, *queues: str, since: float) -> None:
    query = "SELECT DISTINCT queue FROM task_failures WHERE reason = 'worker_lost' AND failed_at > to_timestamp(%s)"
    eventually(
        lambda: {row[0] for row in stack.query(query, since)} >= set(queues),
        what=f"a child of each worker crashed: {', '.join(queues)}",
    )  # fmt: skip


CRASH_POINTS = (
    *(Fault(point, partial(_relay, point)) for point in (Failpoint.RELAY_AFTER_CLAIM, Failpoint.RELAY_AFTER_CONFIRM)),
    Fault("unroutable", _unroutable),
    *(
        Fault(point, partial(_workers, point))
        for point in (Failpoint.WORKER_MIDDLE_OF_BATCH, Failpoint.WORKER_AFTER_COMMIT)
    ),
    Fault(Failpoint.WORKER_AFTER_RETRY_PUBLISH, _worker_after_retry),
    *(
        Fault(point, partial(_archiver, point), dead_letters=1)
        for point in (Failpoint.ARCHIVER_BEFORE_COMMIT, Failpoint.ARCHIVER_AFTER_COMMIT)
    ),
    *(
        Fault(point, partial(_gateway, point), refuses=True)
        for point in (Failpoint.GATEWAY_BEFORE_COMMIT, Failpoint.GATEWAY_AFTER_COMMIT)
    ),
)
