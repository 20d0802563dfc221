"""A leak is contained by replacing the child between two tasks; a task that takes too much crashes, without a loss."""

from __future__ import annotations

from collections import Counter
from uuid import uuid4

from app.contract import Role, queues
from infra.servers.rabbitmq.vhost import work_queue_policy
from tests.harness import here, memory
from tests.harness.drills import wait_archived
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

WORKER = "worker-external"
LEAKS, LEAK_MIB = 60, 8


def _each_once(stack: Stack, run: str, ids: list[str]) -> None:
    """Wait until nothing is under way, and check that each leak took effect once."""
    eventually(lambda: len(memory.leaks(stack, run)) >= len(ids), what="every leak is stored")
    eventually(lambda: not stack.broker.messages(), what="nothing is left in the broker")
    assert Counter(leak_id for leak_id, _, _ in memory.leaks(stack, run)) == Counter(ids)


def test_a_leak_is_contained_and_nothing_is_lost_or_doubled(stack: Stack) -> None:
    """The child is replaced many times, while one is killed and all messages come twice; the container never fills.

    Given a worker whose children are replaced at 120 MiB, in a container of 320 MiB,
    when tasks leak 480 MiB,
    then each takes effect once, and no child is lost but the one that the test kills.
    """
    machine = memory.worker(stack, WORKER, child_mib=memory.CHILD_MIB)
    run = uuid4().hex[:8]
    ids = [f"{run}-{number}" for number in range(LEAKS)]
    memory.send_leaks(stack, ids, mib=LEAK_MIB)
    eventually(lambda: len(memory.leaks(stack, run)) > LEAKS // 4, what="a quarter has run")
    machine.kill_child()
    _each_once(stack, run, ids)
    memory.send_again(stack, run)
    _each_once(stack, run, ids)

    found = memory.leaks(stack, run)
    assert len({pid for _, pid, _ in found}) >= 4, "children were replaced"
    assert max(peak for _, _, peak in found) < (memory.CHILD_MIB + 2 * LEAK_MIB) * 1024, "one task beyond the limit"
    assert memory.crashes(stack, WORKER) <= 1, "only the killed child was lost"


def test_without_replacement_the_kernel_kills_and_the_crashes_are_counted(stack: Stack) -> None:
    """The planted bug: no child is replaced. The same tasks fill the container, and each crash is counted."""
    memory.worker(stack, WORKER, child_mib=memory.NEVER_MIB)
    run = uuid4().hex[:8]
    ids = [f"{run}-{number}" for number in range(LEAKS)]
    memory.send_leaks(stack, ids, mib=LEAK_MIB)
    eventually(lambda: memory.crashes(stack, WORKER) >= 1, what="a crash is counted")
    _each_once(stack, run, ids)


def test_a_task_that_takes_too_much_at_once_is_a_dead_letter(stack: Stack) -> None:
    """Each delivery kills a child, until the broker gives the message up."""
    [queue] = [queue for queue in queues() if queue.name == "external"]
    policy = work_queue_policy(queue)
    policy["definition"]["delivery-limit"] = 1
    stack.broker.set_policy(queue.name, policy)
    try:
        memory.worker(stack, WORKER, child_mib=memory.CHILD_MIB)
        run = uuid4().hex[:8]
        memory.send_leaks(stack, [f"{run}-devours"], mib=2 * memory.LIMIT_MIB)
        memory.send_leaks(stack, [f"{run}-neighbour"], mib=1)
        body = "SELECT task_id FROM outbox WHERE convert_from(body, 'UTF8') LIKE %s"
        [(task_id,)] = stack.query(body, f'%"{run}-devours"%', role=Role.OWNER)
        letter = wait_archived(stack, str(task_id))
    finally:
        stack.broker.set_policy(queue.name, work_queue_policy(queue))
    assert (letter["reason"], letter["exception_type"]) == ("delivery_limit", "WorkerLostError")
    assert memory.crashes(stack, WORKER) >= 2
    _each_once(stack, run, [f"{run}-neighbour"])


def _heavy(stack: Stack, *, concurrency: int, soft_limit_seconds: int) -> str:
    memory.worker(
        stack, WORKER, child_mib=memory.CHILD_MIB, concurrency=concurrency,
        environment={
            "MILLRACE_TASK_SOFT_TIME_LIMIT_SECONDS": str(soft_limit_seconds),
            "MILLRACE_TASK_TIME_LIMIT_SECONDS": str(soft_limit_seconds + 30),
        },
    )  # fmt: skip
    run = uuid4().hex[:8]
    here.inject(stack, "external", "heavy", [{"heavy_id": run, "neighbours": 5}])
    eventually(lambda: stack.query("SELECT 1 FROM tasks.heavy_begun WHERE heavy_id = %s", run), what="it computes")
    return run


def test_a_task_that_computes_holds_up_neither_neighbours_nor_heartbeat(stack: Stack) -> None:
    """While one child computes, the worker's heartbeat goes on, and the other child does the neighbours' tasks.

    The task ends when its neighbours have ended, so it would never end if they waited for it.
    """
    run = _heavy(stack, concurrency=2, soft_limit_seconds=900)
    machine = stack.machines[WORKER]
    beats = {machine.beat_at()}

    def beats_on() -> bool:
        beats.add(machine.beat_at())
        return len(beats) > 3

    eventually(beats_on, what="the heartbeat goes on while the task computes")
    ids = [f"{run}-{number}" for number in range(5)]
    memory.send_leaks(stack, ids, mib=1)
    _each_once(stack, run, ids)
    eventually(lambda: stack.query("SELECT 1 FROM tasks.heavy_done WHERE heavy_id = %s", run), what="it has ended")
    assert machine.heartbeat() == "consuming"


def test_with_one_child_the_neighbours_wait(stack: Stack) -> None:
    """The planted bug: a pool with one child. The task meets its time limit, and its neighbours come after it."""
    run = _heavy(stack, concurrency=1, soft_limit_seconds=5)
    ids = [f"{run}-{number}" for number in range(5)]
    memory.send_leaks(stack, ids, mib=1)
    _each_once(stack, run, ids)
    assert not stack.query("SELECT 1 FROM tasks.heavy_done WHERE heavy_id = %s", run)
