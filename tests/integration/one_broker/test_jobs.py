"""Jobs on real servers: their owner finds them again and may revoke them; an item has one end, never two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID

import httpx
import pytest

from app import contract
from tests.harness import jobs
from tests.harness.messages import event
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

#: Jobs that are revoked while workers run; every third is a list.
RACERS = 45
LIST_ITEMS = 250


@pytest.fixture
def client(single: Stack) -> Iterator[httpx.Client]:
    """An owner of jobs, who has none yet."""
    with jobs.owner(single) as client:
        yield client


def test_jobs_are_listed_newest_first_page_by_page(single: Stack, client: httpx.Client) -> None:
    """Each job of the key once, and none of another key's; filters by task, state and time hold on every page."""
    made = [jobs.submit(client, event()) for _ in range(5)] + [jobs.submit(client, [event(), event()])]
    for job_id in made:
        jobs.ended(client, job_id)
    single.remove("worker-interactive")
    waiting = jobs.submit(client, event())

    for limit in (1, 2, 7, 200):
        assert [job["job_id"] for job in jobs.listed(client, limit=limit)] == [waiting, *reversed(made)]
    with jobs.owner(single) as stranger:
        assert jobs.listed(stranger) == []
    assert [job["job_id"] for job in jobs.listed(client, state="succeeded", limit=2)] == list(reversed(made))
    eventually(lambda: jobs.told(client, waiting)["state"] == "queued", what="the relay has sent it")
    assert [job["job_id"] for job in jobs.listed(client, state="queued", limit=1)] == [waiting]
    assert jobs.listed(client, state="discarded", limit=1) == []
    third = jobs.told(client, made[2])
    assert third in jobs.listed(client, task=contract.TASK_INGEST_EVENT), "the list says otherwise"
    assert jobs.listed(client, task=contract.TASK_DRILL) == []
    since = jobs.listed(client, accepted_after=third["accepted_at"])
    before = jobs.listed(client, accepted_before=third["accepted_at"])
    assert [job["job_id"] for job in since] == [waiting, *reversed(made[2:])]
    assert [job["job_id"] for job in before] == list(reversed(made[:2]))


def test_what_is_in_the_broker_is_dropped(single: Stack, client: httpx.Client) -> None:
    """The worker acknowledges revoked messages, counts them, and leaves no dead letter; twice is once."""
    single.remove("worker-interactive", "worker-bulk")
    job_ids = [jobs.submit(client, event()), jobs.submit(client, [event() for _ in range(LIST_ITEMS)])]

    def queued(job_id: str) -> bool:
        return bool(jobs.told(client, job_id)["state"] == "queued")

    for job_id in job_ids:
        eventually(partial(queued, job_id), what="the relay has sent it")
        revoked_at = {jobs.revoke(client, job_id)["revoked_at"] for _ in range(2)}
        assert len(revoked_at) == 1
    with jobs.owner(single) as stranger:
        assert stranger.post(f"{jobs.JOBS}/{job_ids[0]}/revoke").status_code == 404
    single.ensure("worker-interactive", "worker-bulk")

    for job_id, items in zip(job_ids, (1, LIST_ITEMS), strict=True):
        ended = jobs.ended(client, job_id)
        assert (ended["state"], ended["counts"]["revoked"]) == ("revoked", items)
        assert ended["finished_at"] >= ended["revoked_at"]
        assert jobs.revoke(client, job_id) == ended
    assert not jobs.effects(single, *job_ids)
    assert single.query("SELECT 1 FROM dead_letters WHERE job_id = ANY(%s::uuid[])", job_ids) == []
    eventually(lambda: not single.broker.messages(), what="the messages are acknowledged")
    with single.metrics_client("worker-interactive") as metrics:
        counted = [line for line in metrics.get("/metrics").text.splitlines() if 'outcome="revoked"' in line]
    assert any(contract.TASK_INGEST_EVENT in line and line.endswith(" 1.0") for line in counted), counted


def test_jobs_that_leave_together_end_apart(single: Stack, client: httpx.Client) -> None:
    """Jobs of two owners wait while no relay runs, then leave as one message. Revoking one job drops only its item."""
    single.remove("relay-1", "relay-2", "worker-interactive")
    with jobs.owner(single) as other:
        job_ids = [jobs.submit(owner, event()) for owner in (client, other) for _ in range(20)]
        single.ensure("relay-1")
        eventually(
            lambda: all(jobs.told(client, job_id)["state"] == "queued" for job_id in job_ids[:20]),
            what="a relay has sent them",
        )
        revoked, *_ = job_ids
        jobs.revoke(client, revoked)
        single.ensure("relay-2", "worker-interactive")

        told = {job_id: jobs.ended(client, job_id) for job_id in job_ids[:20]}
        told |= {job_id: jobs.ended(other, job_id) for job_id in job_ids[20:]}
    assert {job_id for job_id, job in told.items() if job["state"] == "revoked"} == {revoked}
    assert {job["state"] for job_id, job in told.items() if job_id != revoked} == {"succeeded"}
    assert jobs.effects(single, *job_ids) == {UUID(job_id): 1 for job_id in job_ids if job_id != revoked}
    [(messages,)] = single.query("SELECT count(DISTINCT task_id) FROM events WHERE job_id = ANY(%s::uuid[])", job_ids)
    assert messages == 1, "they did not leave together"


#: Of which one shows both ends, unless the machine lets only one side run.
ROUNDS = 20


def test_revoked_while_workers_run(single: Stack, client: httpx.Client) -> None:
    """Each item of each job is executed or revoked, as the effects say too; and what ended stays as it ended."""
    outcomes = Counter[str]()
    for _ in range(ROUNDS):
        outcomes += _race(single, client)
        if outcomes.keys() == {"executed", "revoked"}:
            return
    pytest.fail(f"there was no race: {outcomes}")


def _race(single: Stack, client: httpx.Client) -> Counter[str]:
    """Submit jobs and revoke them, the newest first; returns how many items ended in which way."""
    bodies = [[event() for _ in range(LIST_ITEMS)] if number % 3 == 0 else event() for number in range(RACERS)]
    with ThreadPoolExecutor(8) as pool:
        job_ids = list(pool.map(lambda body: jobs.submit(client, body), bodies))
        list(pool.map(lambda job_id: jobs.revoke(client, job_id), reversed(job_ids)))
    told = {job_id: jobs.ended(client, job_id) for job_id in job_ids}
    eventually(lambda: not single.broker.messages(), what="every message is acknowledged")

    outcomes = Counter[str]()
    effects = jobs.effects(single, *job_ids)
    for job_id, job in told.items():
        counts = job["counts"]
        assert counts["executed"] + counts["revoked"] == counts["items"], job
        assert counts["executed"] == effects[UUID(job_id)], job
        assert jobs.told(client, job_id) == job, "it had ended"
        outcomes += Counter({name: counts[name] for name in ("executed", "revoked")})
    return outcomes
