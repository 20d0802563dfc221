"""Tasks in steps are killed, stopped, redelivered, revoked, and run longer than the consumer timeout."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import pytest

from app.contract import Role
from infra.local.state import REPOSITORY
from infra.servers.rabbitmq import vhost
from tests.harness import jobs
from tests.harness.stack import QUICK, Stack
from tests.harness.waiting import eventually

WORKER = "worker-interactive"
PRIMES = "/v1/tasks/count_primes"
_MOUNTS = {str(REPOSITORY / "tests" / "harness" / "step_tasks"): "/opt/millrace/step_tasks"}
_ENVIRONMENT = {**QUICK, "MILLRACE_TASK_PACKAGES": "step_tasks"}
_TABLES = """
    CREATE TABLE IF NOT EXISTS tasks.steps_begun (run text NOT NULL, step int NOT NULL, redelivered boolean NOT NULL);
    CREATE TABLE IF NOT EXISTS tasks.steps_done (run text NOT NULL, step int NOT NULL);
    CREATE TABLE IF NOT EXISTS tasks.steps_held (run text NOT NULL, since int NOT NULL)
"""
_SEND = """
import json, sys
from step_tasks import tasks
name, job = sys.argv[1:]
getattr(tasks, name).delay(tasks.Run.model_validate_json(job))
"""


@pytest.fixture
def stack(single: Stack) -> Stack:
    """A stack whose interactive worker knows the slow steps."""
    single.query(_TABLES, role=Role.OWNER)
    single.replace(WORKER, environment=_ENVIRONMENT, mounts=_MOUNTS)
    return single


def _send(stack: Stack, task: str, *, steps: int, seconds: float) -> str:
    run = uuid4().hex
    words = (task, json.dumps({"run": run, "steps": steps, "seconds": seconds}))
    stack.script("worker-external", _SEND, *words, environment=_ENVIRONMENT, mounts=_MOUNTS)
    return run


def _done(stack: Stack, run: str) -> int:
    [(done,)] = stack.query("SELECT count(*) FROM tasks.steps_done WHERE run = %s", run)
    return int(done)


def _reached(stack: Stack, run: str, steps: int) -> None:
    eventually(lambda: _done(stack, run) >= steps, what=f"{steps} steps are done")


def _ended(stack: Stack, run: str, steps: int) -> None:
    """Wait for the end, and check that each step was done once."""
    key = "SELECT 1 FROM inbox WHERE dedupe_key = dedupe_key('slow_steps', '', %s)"
    eventually(lambda: stack.query(key, run), what="the task has ended")
    done = [step for (step,) in stack.query("SELECT step FROM tasks.steps_done WHERE run = %s ORDER BY step", run)]
    assert done == list(range(steps)), "a step was done twice, or not at all"


def _deliver_again(stack: Stack) -> None:
    """Send each message of a slice that went through the outbox once more."""
    stack.query(
        "INSERT INTO outbox_pending (message_id, queue, body_bytes, due_at, available_at) "
        "SELECT message_id, queue, octet_length(body), now(), now() FROM outbox WHERE task_name = 'slow_steps' "
        "ON CONFLICT DO NOTHING",
        role=Role.OWNER,
    )


def test_nothing_is_done_twice_and_one_step_begins_again(stack: Stack) -> None:
    """This holds while a child is killed, a worker is killed or told to stop, and messages are delivered twice."""
    steps, held_since = 60, 35
    run = _send(stack, "slow_steps", steps=steps, seconds=0.2)
    stack.query("INSERT INTO tasks.steps_held VALUES (%s, %s)", run, held_since, role=Role.OWNER)
    _reached(stack, run, 5)
    stack.machines[WORKER].kill_child()
    _reached(stack, run, 15)
    _deliver_again(stack)
    stack.machines[WORKER].kill()
    stack.machines[WORKER].start_again()
    _reached(stack, run, 25)

    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(stack.machines[WORKER].stop, timeout=200)
        eventually(lambda: "Warm shutdown" in stack.machines[WORKER].logs(), what="the worker stops")
        stack.query("DELETE FROM tasks.steps_held", role=Role.OWNER)
        stopping.result()
    assert stack.machines[WORKER].state["ExitCode"] == 0, "a stop waits for a slice, and does not have to kill"
    at_stop = _done(stack, run)
    assert at_stop < steps, "the stop came in the middle"
    stack.machines[WORKER].start_again()
    _reached(stack, run, at_stop + 10)
    _deliver_again(stack)
    _ended(stack, run, steps)
    _deliver_again(stack)
    eventually(lambda: not stack.broker.messages(), what="all of it came once more")
    _ended(stack, run, steps)

    begun = Counter(step for (step,) in stack.query("SELECT step FROM tasks.steps_begun WHERE run = %s", run))
    again = {step: times for step, times in begun.items() if times > 1}
    assert len(again) <= 2, f"more steps began again than there were kills: {again}"
    assert all(times == 2 for times in again.values()), again
    assert stack.query("SELECT 1 FROM checkpoints") == [], "a task that has ended leaves no checkpoint"


@contextmanager
def _consumer_timeout(stack: Stack, seconds: int) -> Iterator[None]:
    """Set the consumer timeout. It applies to consumers that begin afterwards."""
    [queue] = [queue for queue in vhost.contract.queues() if queue.name == "interactive"]
    stack.broker.set_policy(queue.name, vhost.work_queue_policy(queue, seconds))
    try:
        yield
    finally:
        stack.broker.set_policy(queue.name, vhost.work_queue_policy(queue))


def test_no_message_is_held_for_long(stack: Stack) -> None:
    """With a consumer timeout of 25 s a task of 30 s in slices loses no message; a task without slices does."""
    redelivered = "SELECT bool_or(redelivered), count(*) FROM tasks.steps_begun WHERE run = %s"
    with _consumer_timeout(stack, 25):
        # A slice may last for a third of the soft limit.
        limits = {"MILLRACE_TASK_SOFT_TIME_LIMIT_SECONDS": "180", "MILLRACE_TASK_TIME_LIMIT_SECONDS": "240"}
        stack.replace(WORKER, environment=_ENVIRONMENT | limits, mounts=_MOUNTS)
        # One after the other: when a message is late the broker takes all messages of its consumer away.
        sliced = _send(stack, "slow_steps", steps=30, seconds=1.0)
        _ended(stack, sliced, 30)
        long = _send(stack, "one_long_slice", steps=40, seconds=1.0)
        _reached(stack, long, 40)
    assert stack.query(redelivered, sliced) == [(False, 30)]
    assert stack.query(redelivered, long)[0][0] is True, "the timeout did not come: the test proves nothing"
    done = stack.query("SELECT step FROM tasks.steps_done WHERE run = %s ORDER BY step", long)
    assert [step for (step,) in done] == list(range(40)), "even then no step is done twice"


def test_a_job_over_http(single: Stack) -> None:
    """The job waits until its last step; the same range again does nothing; wrong input gets a problem document."""
    with jobs.owner(single) as client:
        body = {"range_id": str(uuid4()), "below": 1_000_000}
        for _ in range(2):
            answer = client.post(PRIMES, json=body)
            ended = jobs.ended(client, answer.raise_for_status().json()["job_id"])
            assert ended["counts"]["executed"] == 1
        counts = "SELECT below, primes FROM tasks.prime_counts WHERE range_id = %s"
        assert single.query(counts, body["range_id"]) == [(1_000_000, 78_498)]

        wrong = client.post(PRIMES, json={"range_id": str(uuid4()), "below": "all"})
        assert wrong.status_code == 422
        assert wrong.json()["errors"][0]["pointer"] == "#/below"


def test_a_revoked_job_stops_at_its_next_step(single: Stack) -> None:
    """The effects of its steps stay; no further step begins."""
    with jobs.owner(single) as client:
        answer = client.post(PRIMES, json={"range_id": str(uuid4()), "below": 10**10})
        job_id = answer.raise_for_status().json()["job_id"]
        steps = "SELECT steps FROM checkpoints WHERE task_name = 'count_primes'"
        eventually(lambda: (found := single.query(steps)) and found[0][0] >= 3, what="some steps are done")
        assert jobs.told(client, job_id)["counts"]["waiting"] == 1
        jobs.revoke(client, job_id)
        assert jobs.ended(client, job_id)["counts"]["revoked"] == 1
    single.query("DELETE FROM checkpoints", role=Role.OWNER)
