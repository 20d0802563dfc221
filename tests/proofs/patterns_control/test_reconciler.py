"""Messages vanish from the broker; the reconciler puts them back, and each item has its effect once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app import contract
from app.contract import Role
from app.patterns import reconciler
from app.patterns.reconciler import Rules
from tests.harness import here, jobs, mutants
from tests.harness.messages import event
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

WORKERS = ("worker-interactive", "worker-bulk")
LIST_ITEMS = 250
#: Whatever is not finished counts as vanished, also what a queue still holds.
SUSPECT_ALL = ("--older-than-seconds", "0", "--busy-older-than-hours", "0")


def _reconcile(stack: Stack, *options: str) -> dict[str, Any]:
    """Run `reconcile`; returns its report."""
    answer: dict[str, Any] = json.loads(stack.operate("reconcile", *options).splitlines()[-1])
    return answer


def _put_back(stack: Stack, job_ids: Sequence[str]) -> int:
    """The number of messages that were put back for these jobs."""
    return len(stack.query("SELECT 1 FROM put_back WHERE job_id = ANY(%s::uuid[])", list(job_ids)))


def _sent(stack: Stack) -> None:
    """Wait until the broker has every accepted message."""
    eventually(lambda: not stack.query("SELECT 1 FROM outbox_pending"), what="the broker has confirmed everything")


def test_a_purge_is_put_back_once(stack: Stack, client: httpx.Client) -> None:
    """Purged single items, lists and chunks come back once, by two reconcilers at once; a dry run changes nothing."""
    stack.remove(*WORKERS)
    singles = [jobs.submit(client, event()) for _ in range(5)]
    lists = [jobs.submit(client, [event() for _ in range(LIST_ITEMS)]) for _ in range(2)]
    meter = uuid4().hex
    batch = client.post("/v1/batches", json={"task": "meter_totals"}).raise_for_status().json()
    for number in range(3):
        client.put(f"{batch['status_url']}/chunks/{number}", json=[{"meter": meter, "watt_hours": 1}])
    client.post(f"{batch['status_url']}/seal", json={"chunks": 3, "rows": 3}).raise_for_status()
    _sent(stack)
    accepted = [*singles, *lists, batch["batch_id"]]
    assert _reconcile(stack, "--older-than-seconds", "0", "--dry-run")["vanished"] == 0, "they are in the broker"
    stack.broker.lose_messages()
    missing = _reconcile(stack, "--older-than-seconds", "0", "--dry-run")
    assert (missing["vanished"], missing["messages_put_back"]) == (len(accepted), 0)
    assert missing["jobs"] == sorted(accepted)

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: _reconcile(stack, "--older-than-seconds", "0", "--actor", "tests"), range(2)))
    messages = len(singles) + 2 * len(lists) + 3
    assert sum(answer["messages_put_back"] for answer in answers) == _put_back(stack, accepted) == messages
    assert set(stack.query("SELECT put_back_by FROM put_back")) == {("tests",)}
    stack.ensure(*WORKERS)
    assert {jobs.ended(client, job_id)["state"] for job_id in (*singles, *lists)} == {"succeeded"}
    once = dict.fromkeys(map(UUID, singles), 1) | dict.fromkeys(map(UUID, lists), LIST_ITEMS)
    assert jobs.effects(stack, *singles, *lists) == once
    eventually(lambda: client.get(batch["status_url"]).json()["state"] == "finished", what="the batch is finished")
    assert stack.query("SELECT watt_hours FROM tasks.meters WHERE meter = %s", meter) == [(3,)]
    assert _reconcile(stack, "--older-than-seconds", "0")["vanished"] == 0


def test_every_page_is_read(stack: Stack, client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages end between jobs, also within a millisecond, and a job that is longer than a page is a page."""
    stack.remove(*WORKERS)
    accepted = {jobs.submit(client, event()) for _ in range(7)}
    accepted |= {jobs.submit(client, [event() for _ in range(5)]) for _ in range(3)}
    _sent(stack)
    rules = Rules(empty=frozenset(contract.queue_names()), older_than_seconds=0)
    for items in (1, 3, 100_000):
        monkeypatch.setattr(reconciler, "_PAGE_ITEMS", items)
        found = [str(one.job_id) for one in reconciler.find(stack.engine(Role.OPERATOR), rules)]
        assert sorted(found) == sorted(accepted)
    stack.ensure(*WORKERS)
    assert {jobs.ended(client, job_id)["state"] for job_id in accepted} == {"succeeded"}


def test_under_load_each_item_has_one_effect(stack: Stack, client: httpx.Client) -> None:
    """Queues are purged again and again while jobs come; messages that still exist are put back, too."""
    job_ids: list[str] = []
    for _ in range(2):
        job_ids += [jobs.submit(client, event()) for _ in range(50)]
        job_ids += [jobs.submit(client, [event() for _ in range(LIST_ITEMS)]) for _ in range(4)]
        stack.broker.purge()
        job_ids += [jobs.submit(client, event()) for _ in range(50)]
        _reconcile(stack, *SUSPECT_ALL)

    def all_ended() -> bool:
        if not any(job["counts"]["waiting"] for job in jobs.listed(client, limit=200)):
            return True
        _reconcile(stack, *SUSPECT_ALL)
        return False

    eventually(all_ended, what="each item has ended")
    effects = jobs.effects(stack, *job_ids)
    assert sorted(effects.values()) == [1] * 200 + [LIST_ITEMS] * 8


@pytest.mark.parametrize(("program", "effects"), [("", 1), ("inbox_forgets", 2)])
def test_a_slow_message_acts_once(stack: Stack, client: httpx.Client, program: str, effects: int) -> None:
    """Its copy is put back while it still exists. An inbox that forgets (tests/mutants) lets both act."""
    stack.remove("worker-interactive")
    job_id = jobs.submit(client, event())
    _sent(stack)
    assert _reconcile(stack, *SUSPECT_ALL)["messages_put_back"] == 1
    _sent(stack)
    if program:
        mutants.plant(stack, "worker-interactive", program)
    else:
        stack.replace("worker-interactive")
    assert jobs.ended(client, job_id)["state"] == "succeeded"
    eventually(lambda: not stack.broker.messages(), what="both messages are executed")
    assert jobs.effects(stack, job_id) == {UUID(job_id): effects}


#: Tries to pause a task before it ends; one is enough, unless this process is held up.
ROUNDS = 5


def _held_or_ended(stack: Stack, client: httpx.Client, job_id: str) -> bool:
    """Wait until the task is held by its pause, or has ended before it; returns whether it is held."""
    held = "SELECT 1 FROM outbox_held WHERE job_id = %s"
    eventually(
        lambda: stack.query(held, job_id) or jobs.told(client, job_id)["counts"]["waiting"] == 0,
        what="it is held, or has ended",
    )
    return bool(stack.query(held, job_id))


def test_a_task_in_steps_goes_on(stack: Stack, client: httpx.Client) -> None:
    """The message of a later slice has vanished; the task goes on from its checkpoint, and no step is done again."""
    slices = "SELECT slice, steps FROM checkpoints WHERE job_id = %s"
    for _ in range(ROUNDS):
        range_id = str(uuid4())
        answer = client.post("/v1/tasks/count_primes", json={"range_id": range_id, "below": 50_000_000})
        job_id = answer.raise_for_status().json()["job_id"]
        eventually(lambda job_id=job_id: stack.query(slices, job_id), what="it has begun")  # type: ignore[misc]
        here.pause(stack, task="count_primes")
        if _held_or_ended(stack, client, job_id):
            break
        here.resume(stack, task="count_primes")
    else:
        pytest.fail("each time it ended before the pause")
    stack.query("DELETE FROM outbox_held", role=Role.OWNER)
    here.resume(stack, task="count_primes")
    [(slice_, steps)] = stack.query(slices, job_id)
    assert slice_ >= 1, "the first message would go on by itself"
    assert _reconcile(stack, "--older-than-seconds", "0")["jobs"] == [job_id]
    assert jobs.ended(client, job_id)["state"] == "succeeded", f"it had done {steps} steps"
    counted = "SELECT primes FROM tasks.prime_counts WHERE range_id = %s"
    assert stack.query(counted, range_id) == [(3_001_134,)]
