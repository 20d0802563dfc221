"""docs/patterns/uploads.md: an item above a message's bound travels by reference, wherever its message goes."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx

from app.contract import Role
from tests.harness import jobs
from tests.harness.load import drain
from tests.harness.stack import Stack
from tests.harness.waiting import eventually
from tests.proofs.patterns_uploads.contents import refused

_LONG = 1024 * 1024
#: A reference and what is around it.
_SHORT_BYTES = 4096


def _event(size_bytes: int = _LONG) -> dict[str, Any]:
    user = uuid4().hex
    return {
        "event_id": str(uuid4()), "type": "long", "occurred_at": "2026-11-30T12:00:00Z",
        "payload": {"user_id": user, "note": "é" * (size_bytes // 2)},
    }  # fmt: skip


def _stored(stack: Stack, event: dict[str, Any]) -> list[tuple[Any, ...]]:
    return stack.query("SELECT payload->>'note' FROM events WHERE event_id = %s", event["event_id"])


def _longest_message(stack: Stack, job_id: str) -> int:
    return int(stack.query("SELECT max(octet_length(body)) FROM outbox WHERE job_id = %s", job_id)[0][0])


def test_a_long_item_travels_by_reference(single: Stack, client: httpx.Client) -> None:
    """Alone and in a list, while a worker is killed and messages come twice, it is stored once, as it was sent."""
    alone, listed = _event(), [_event(200), _event(), _event(300_000), _event(200)]
    job_ids = [jobs.submit(client, alone), jobs.submit(client, listed)]
    for job_id in job_ids:
        assert _longest_message(single, job_id) < _SHORT_BYTES
    single.machines["worker-bulk"].kill()
    single.machines["worker-bulk"].start_again()
    for job_id in job_ids:
        assert jobs.ended(client, job_id)["state"] == "succeeded"
    single.query(
        "INSERT INTO outbox_pending (message_id, queue, body_bytes, due_at, available_at) "
        "SELECT message_id, queue, octet_length(body), now(), now() FROM outbox WHERE job_id = ANY(%s)",
        job_ids, role=Role.OWNER,
    )  # fmt: skip
    drain(single)
    for event in (alone, *listed):
        assert _stored(single, event) == [(event["payload"]["note"],)]


def test_it_dies_and_is_replayed(single: Stack, client: httpx.Client) -> None:
    """Five retries, the dead letter and its replay carry the reference, and the item arrives."""
    event = _event()
    single.query("ALTER TABLE events RENAME TO events_away", role=Role.OWNER)
    try:
        job_id = jobs.submit(client, event)
        assert jobs.ended(client, job_id)["state"] == "dead_lettered"
    finally:
        single.query("ALTER TABLE events_away RENAME TO events", role=Role.OWNER)
    [(bytes_, attempts)] = single.query(
        "SELECT octet_length(body), attempts FROM dead_letters WHERE job_id = %s", job_id
    )
    assert bytes_ < _SHORT_BYTES
    assert attempts == 6
    single.operate("dead-letters", "replay", "--job", job_id, "--note", "mended")
    eventually(lambda: _stored(single, event), what="it was executed")
    assert _stored(single, event) == [(event["payload"]["note"],)]


def test_s3_away(single: Stack, client: httpx.Client) -> None:
    """Short items go on; new long ones are refused; an accepted one waits and spends no attempt."""
    single.remove("worker-interactive")
    waiting = _event()
    job_id = jobs.submit(client, waiting)
    single.machines["objectstore"].kill()
    refused(client.post(jobs.EVENTS, json=_event()), 503, "object-store-unavailable")
    single.ensure("worker-interactive")
    short = jobs.submit(client, _event(200))
    assert jobs.ended(client, short)["state"] == "succeeded"
    assert _stored(single, waiting) == []
    single.machines["objectstore"].start_again()
    single.wait("objectstore")
    assert jobs.ended(client, job_id)["state"] == "succeeded"
    assert single.query("SELECT count(*) FROM task_failures") == [(0,)]


def test_a_stack_without_an_object_store(single: Stack) -> None:
    """The gateway refuses uploads and long items, and says why."""
    single.ensure("gateway", MILLRACE_S3_ENDPOINT="")
    with single.http() as fresh:
        refused(fresh.post("/v1/uploads", content=b"x"), 501, "no-object-store")
        refused(fresh.post(jobs.EVENTS, json=_event()), 422, "invalid-request")
        jobs.submit(fresh, _event(200))
