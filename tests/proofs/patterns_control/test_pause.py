"""Paused work waits in PostgreSQL, wherever its messages were and whatever restarts; the resume loses nothing."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import httpx
import pytest

from app import contract
from app.contract import Role
from app.errors import PauseError
from app.storage import outbox, pauses
from infra.local.state import REPOSITORY
from tests.harness import here, jobs, mutants
from tests.harness.messages import event
from tests.harness.process_metrics import samples_in
from tests.harness.stack import QUICK, Stack
from tests.harness.waiting import eventually

WORKER = "worker-interactive"
TASK = contract.TASK_INGEST_EVENT
_PACKAGES = "control_tasks,step_tasks"
_MOUNTS = {str(REPOSITORY / "tests" / "harness" / name): f"/opt/millrace/{name}" for name in _PACKAGES.split(",")}
_STEPS = """
    CREATE TABLE IF NOT EXISTS tasks.steps_begun (run text NOT NULL, step int NOT NULL, redelivered boolean NOT NULL);
    CREATE TABLE IF NOT EXISTS tasks.steps_done (run text NOT NULL, step int NOT NULL);
    CREATE TABLE IF NOT EXISTS tasks.steps_held (run text NOT NULL, since int NOT NULL)
"""
ENVIRONMENT = {**QUICK, "MILLRACE_TASK_PACKAGES": _PACKAGES}


def with_tasks(stack: Stack, *names: str, **environment: str) -> None:
    """Start processes that know the tasks of this suite."""
    for name in names:
        stack.replace(name, environment={**ENVIRONMENT, **environment}, mounts=_MOUNTS)


def held(stack: Stack) -> int:
    """The messages that wait for a resume."""
    return len(stack.query("SELECT 1 FROM outbox_held"))


def waits(stack: Stack, messages: int) -> None:
    """Wait until so many messages are held, and none is anywhere else."""
    eventually(lambda: held(stack) == messages, what=f"{messages} messages are held")
    eventually(lambda: not stack.broker.messages(), what="the broker holds nothing")
    eventually(lambda: not stack.query("SELECT 1 FROM outbox_pending"), what="no message is pending")


def ran(stack: Stack, task: str, run: str | None = None) -> list[int]:
    """The attempts of the runs that a task has written."""
    rows = "SELECT attempt FROM tasks.control_runs WHERE task = %s AND (run = %s OR %s::text IS NULL)"
    return [attempt for (attempt,) in stack.query(rows, task, run, run)]


def test_a_paused_task_waits_through_restarts(stack: Stack, client: httpx.Client) -> None:
    """Messages in the outbox and in the broker wait, others pass, and each is executed once at its first attempt."""
    stack.remove(WORKER)
    singles = [jobs.submit(client, event()) for _ in range(10)]
    eventually(lambda: jobs.told(client, singles[-1])["state"] == "queued", what="they are in the broker")
    stack.operate("pauses", "pause", "--task", TASK, "--note", "the far side is down")
    lists = [jobs.submit(client, [event() for _ in range(30)]) for _ in range(2)]
    stack.ensure(WORKER)
    waits(stack, 12)
    primes = client.post("/v1/tasks/count_primes", json={"range_id": str(uuid4()), "below": 1000})
    assert jobs.ended(client, primes.raise_for_status().json()["job_id"])["state"] == "succeeded"

    for name in ("relay-1", "relay-2", WORKER, "worker-bulk", *stack.nodes, "postgresql"):
        stack.machines[name].kill()
    for name in ("postgresql", *stack.nodes, "relay-1", "relay-2", WORKER, "worker-bulk"):
        stack.machines[name].start_again()
        stack.wait(name)
    stack.wait("gateway")
    # Ready, it may still hold a connection that PostgreSQL's death broke: one request may find that.
    later = eventually(lambda: jobs.submit(client, event()), what="it accepts again", tolerate=(AssertionError,))
    waits(stack, 13)
    assert jobs.effects(stack, *singles, *lists, later) == {}
    assert {jobs.told(client, job_id)["state"] for job_id in (*singles, *lists, later)} == {"accepted"}
    [shown] = [json.loads(line) for line in stack.operate("pauses", "list", "--json").splitlines()]
    assert (shown["kind"], shown["name"], shown["note"], shown["held"]) == ("task", TASK, "the far side is down", 13)
    with stack.metrics_client("relay-1") as metrics:

        def shows_held() -> bool:
            return samples_in(metrics.get("/metrics").text, contract.METRIC_HELD) == {("task", TASK): 13}

        eventually(shows_held, what="the relay shows what is held")

    stack.operate("pauses", "resume", "--task", TASK)
    ended = [jobs.ended(client, job_id) for job_id in (*singles, *lists, later)]
    assert {(job["state"], job["attempts"], job["failed_attempts"]) for job in ended} == {("succeeded", 1, 0)}
    once = dict.fromkeys(map(UUID, (*singles, later)), 1) | dict.fromkeys(map(UUID, lists), 30)
    assert jobs.effects(stack, *singles, *lists, later) == once
    assert stack.query("SELECT 1 FROM dead_letters WHERE job_id = ANY(%s::uuid[])", singles) == []


def test_retries_replays_and_slots_wait(stack: Stack, client: httpx.Client) -> None:
    """A paused queue keeps a retry at its attempt, a replayed dead letter, and each slot of a schedule."""
    with_tasks(stack, WORKER, "gateway", MILLRACE_RETRY_BASE_SECONDS="40")
    drill = here.drill(stack, "raise", "interactive")
    letter = "SELECT state FROM dead_letters WHERE task_id = %s"
    eventually(lambda: stack.query(letter, drill.task_id) == [("dead",)], what="the drill is a dead letter")
    run = uuid4().hex
    retried = client.post("/v1/tasks/fails_once", json={"run": run}).raise_for_status().json()["job_id"]
    failed = "SELECT 1 FROM task_failures WHERE job_id = %s"
    eventually(lambda: stack.query(failed, retried), what="the first attempt has failed")
    here.pause(stack, queue="interactive")
    stack.operate("dead-letters", "replay", "--task-name", contract.TASK_DRILL)
    with_tasks(stack, "beat")
    sent = "SELECT task_id FROM outbox WHERE task_name = 'tick'"
    eventually(lambda: len(stack.query(sent)) >= 3, what="beat has sent slots")
    eventually(lambda: held(stack) >= 5, what="the retry, the replay and the slots are held")
    stack.remove("beat")
    assert (ran(stack, "fails_once"), ran(stack, "tick")) == ([], [])

    here.mend(stack, drill.switch)
    here.resume(stack, queue="interactive")
    assert jobs.ended(client, retried)["attempts"] == 2
    assert ran(stack, "fails_once", run) == [2]
    eventually(lambda: stack.query("SELECT 1 FROM events WHERE event_id = %s", drill.event_id), what="the replay ran")
    eventually(lambda: len(ran(stack, "tick")) >= len(stack.query(sent)), what="each slot has run")
    assert len(ran(stack, "tick")) == len(stack.query(sent)), "a slot ran twice"


def test_what_runs_stops_at_its_next_step(stack: Stack, client: httpx.Client) -> None:
    """After the resume a task in steps goes on from its checkpoint; one with stop points begins anew."""
    stack.query(_STEPS, role=Role.OWNER)
    with_tasks(stack, WORKER, "gateway", MILLRACE_WORKER_CONCURRENCY="2")
    run, steps = uuid4().hex, 60
    looks = client.post("/v1/tasks/looks_often", json={"run": run}).raise_for_status().json()["job_id"]
    eventually(lambda: ran(stack, "looks_often", run), what="it runs")
    # It waits there for the pause, however late that comes; then it has 40 steps in which to see it.
    stack.query("INSERT INTO tasks.steps_held VALUES (%s, 20)", run, role=Role.OWNER)
    here.inject(stack, "interactive", "slow_steps", [json.dumps({"run": run, "steps": steps, "seconds": 0.2})])
    done = "SELECT step FROM tasks.steps_done WHERE run = %s ORDER BY step"
    eventually(lambda: len(stack.query(done, run)) >= 3 and ran(stack, "looks_often", run), what="both tasks run")
    here.pause(stack, queue="interactive")
    stack.query("DELETE FROM tasks.steps_held", role=Role.OWNER)
    waits(stack, 2)
    assert len(stack.query(done, run)) < steps, "it was paused in the middle"
    assert ran(stack, "looks_often", run) == [1]
    here.resume(stack, queue="interactive")
    assert jobs.ended(client, looks)["state"] == "succeeded"
    assert ran(stack, "looks_often", run) == [1, 1]
    eventually(lambda: len(stack.query(done, run)) >= steps, what="the steps are done")
    assert [step for (step,) in stack.query(done, run)] == list(range(steps))
    eventually(lambda: not stack.query("SELECT 1 FROM checkpoints"), what="a task that has ended has no checkpoint")

    other = client.post("/v1/tasks/looks_often", json={"run": uuid4().hex}).raise_for_status().json()["job_id"]
    eventually(lambda: len(ran(stack, "looks_often")) == 3, what="it runs")
    jobs.revoke(client, other)
    assert jobs.ended(client, other)["state"] == "revoked"


def test_a_hold_that_comes_late_is_found(stack: Stack) -> None:
    """A relay that claimed before the resume may hold a message after it; the next look puts that back."""
    stack.remove("relay-1", "relay-2", WORKER)
    here.pause(stack, task=TASK)
    here.inject(stack, "interactive", TASK, [])
    with stack.engine(Role.RELAY).connect() as connection:
        claimed = outbox.claim(connection, queue="interactive", most=10, most_bytes=10**6, lease_seconds=60)
        connection.commit()
        here.resume(stack, task=TASK)
        pauses.hold(connection, claimed)
        connection.commit()
        assert held(stack) == 1
        assert pauses.release(connection, pending_max=10) == 1
        connection.commit()
    assert held(stack) == 0
    assert len(stack.query("SELECT 1 FROM outbox_pending")) == 1


def test_a_worker_that_ignores_pauses_is_seen(stack: Stack, client: httpx.Client) -> None:
    """A planted bug (tests/mutants): a message that the broker has is executed in spite of the pause."""
    stack.remove(WORKER)
    job_id = jobs.submit(client, event())
    eventually(lambda: jobs.told(client, job_id)["state"] == "queued", what="it is in the broker")
    here.pause(stack, task=TASK)
    mutants.plant(stack, WORKER, "pause_ignored")
    assert jobs.ended(client, job_id)["state"] == "succeeded"


def test_wrong_names_are_refused(stack: Stack) -> None:
    """Each error says what to do."""
    for what in ({"queue": "bulkk"}, {"task": "ingest"}, {"task": contract.TASK_CANARY}, {}):
        with pytest.raises(PauseError):
            here.pause(stack, **what)
    with pytest.raises(PauseError, match="not paused"):
        here.resume(stack, queue="bulk")
    here.pause(stack, queue="bulk")
    with pytest.raises(PauseError, match="paused already"):
        here.pause(stack, queue="bulk")
