"""A revocation ends waiting work, even while the broker is away or the queue is paused; a batch ends whole."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx

from app.contract import Role
from tests.harness import here, jobs
from tests.harness.messages import event
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

BATCHES = "/v1/batches"

Batch = dict[str, Any]


def test_it_ends_without_a_broker(stack: Stack, client: httpx.Client) -> None:
    """Relays drop a revoked job's messages in the outbox while no broker runs."""
    for node in stack.nodes:
        stack.machines[node].kill()
    job_ids = [jobs.submit(client, event()), jobs.submit(client, [event(), event()])]
    for job_id in job_ids:
        jobs.revoke(client, job_id)
    assert [jobs.ended(client, job_id)["counts"]["revoked"] for job_id in job_ids] == [1, 2]
    assert jobs.effects(stack, *job_ids) == {}


def test_it_ends_during_a_pause(stack: Stack, client: httpx.Client) -> None:
    """The revoked job ends; other jobs of the paused queue go on waiting."""
    here.pause(stack, queue="interactive")
    revoked, other = jobs.submit(client, event()), jobs.submit(client, event())
    eventually(lambda: len(stack.query("SELECT 1 FROM outbox_held")) == 2, what="both are held")
    jobs.revoke(client, revoked)
    assert jobs.ended(client, revoked)["state"] == "revoked"
    assert jobs.told(client, other)["state"] == "accepted"
    here.resume(stack, queue="interactive")
    assert jobs.ended(client, other)["state"] == "succeeded"


def _opened(client: httpx.Client, meter: str, chunks: int) -> Batch:
    batch: Batch = client.post(BATCHES, json={"task": "meter_totals"}).raise_for_status().json()
    for number in range(chunks):
        assert _added(client, batch, meter, number).status_code == 202
    return batch


def _added(client: httpx.Client, batch: Batch, meter: str, number: int) -> httpx.Response:
    return client.put(f"{batch['status_url']}/chunks/{number}", json=[{"meter": meter, "watt_hours": 1}])


def _sealed(client: httpx.Client, batch: Batch, chunks: int) -> httpx.Response:
    return client.post(f"{batch['status_url']}/seal", json={"chunks": chunks, "rows": chunks})


def _reaches(client: httpx.Client, batch: Batch, state: str) -> Batch:
    def read() -> Batch | None:
        found: Batch = client.get(batch["status_url"]).raise_for_status().json()
        return found if found["state"] == state else None

    reached = eventually(read, what=f"the batch is {state}", tolerate=(httpx.HTTPStatusError,))
    assert reached is not None
    return reached


def test_a_batch_is_revoked_whole(stack: Stack, client: httpx.Client) -> None:
    """Chunks that have begun stay; no other begins, none can be added, and nothing is aggregated."""
    meter, other = uuid4().hex, uuid4().hex
    batch = _opened(client, meter, 2)
    eventually(lambda: client.get(batch["status_url"]).json()["chunks"]["done"] == 2, what="the first chunks are done")
    stack.remove("worker-bulk")
    for number in (2, 3, 4):
        _added(client, batch, meter, number)
    going_on = _opened(client, other, 2)
    revoked = client.post(f"{batch['status_url']}/revoke").raise_for_status().json()
    assert revoked["state"] == "revoking"
    assert _added(client, batch, meter, 5).status_code == 409
    assert _sealed(client, batch, 5).status_code == 409
    stack.ensure("worker-bulk")
    ended = _reaches(client, batch, "revoked")
    assert (ended["chunks"]["done"], ended["chunks"]["revoked"], ended["aggregate"]) == (2, 3, None)
    assert stack.query("SELECT watt_hours FROM tasks.meters WHERE meter = %s", meter) == [(2,)]

    assert _sealed(client, going_on, 2).status_code == 200
    finished = _reaches(client, going_on, "finished")
    again = client.post(f"{going_on['status_url']}/revoke").raise_for_status().json()
    assert (again["state"], again["revoked_at"], again["aggregate"]) == ("finished", None, finished["aggregate"])
    with jobs.owner(stack) as stranger:
        assert stranger.post(f"{batch['status_url']}/revoke").status_code == 404


_LETTER = """
    INSERT INTO dead_letters (dead_letter_id, fingerprint, state, queue, reason, job_id, keys, attempts, exchange,
                              routing_key, properties, body, died_at, archived_at)
    VALUES (gen_random_uuid(), %s, 'dead', 'bulk', 'rejected', %s, ARRAY[%s], 1, '', 'bulk', '{}', '', now(), now())
"""


def test_a_revoked_batch_stays_revoked(stack: Stack, client: httpx.Client) -> None:
    """A waiting upload adds nothing any more, so its batch is `revoked`. A replayed dead letter is still an end."""
    stack.remove("worker-bulk")
    with_upload = client.post("/v1/batches", json={"task": "meter_totals"}).raise_for_status().json()
    row = json.dumps({"meter": uuid4().hex, "watt_hours": 1}).encode()
    key = client.post("/v1/uploads", content=row).raise_for_status().json()["key"]
    client.put(f"{with_upload['status_url']}/uploads/{key}").raise_for_status()
    with_letter = _opened(client, uuid4().hex, 1)
    batch_id = with_letter["batch_id"]
    stack.query(_LETTER, batch_id.encode(), batch_id, f"{batch_id}/0", role=Role.OWNER)
    eventually(lambda: not stack.query("SELECT 1 FROM outbox_pending"), what="the broker has all messages")
    assert client.post(f"{with_upload['status_url']}/revoke").json()["state"] == "revoked"
    assert client.post(f"{with_letter['status_url']}/revoke").json()["state"] == "revoked"
    for state in ("replayed", "discarded"):
        stack.query("UPDATE dead_letters SET state = %s WHERE job_id = %s", state, batch_id, role=Role.OWNER)
        assert client.get(with_letter["status_url"]).json()["state"] == "revoked"
    stack.ensure("worker-bulk")
    eventually(lambda: not stack.broker.messages(), what="the upload's message is dropped")
    found = client.get(with_upload["status_url"]).json()
    assert (found["state"], found["chunks"]["added"]) == ("revoked", 0)
    stack.query("DELETE FROM dead_letters WHERE job_id = %s", batch_id, role=Role.OWNER)
