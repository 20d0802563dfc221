"""Counted batches through every process: killed, repeated, refused, without Redis, with a chunk in the dead letters."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app import contract
from app.contract import Role
from loadtests import rows
from tests.harness.process_metrics import samples_in
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

BATCHES = "/v1/batches"
OPEN = {"task": "meter_totals"}
JSON = {"Content-Type": "application/json"}
#: A gateway that is killed breaks connections; while it starts it refuses them; a slow PostgreSQL makes it answer 503.
GONE = (httpx.TransportError, httpx.HTTPStatusError)

Batch = dict[str, Any]


def _opened(client: httpx.Client) -> Batch:
    batch: Batch = client.post(BATCHES, json=OPEN).raise_for_status().json()
    return batch


def _read(client: httpx.Client, batch: Batch) -> Batch:
    read: Batch = client.get(batch["status_url"]).raise_for_status().json()
    return read


def _finished(client: httpx.Client, batch: Batch) -> Batch:
    return eventually(
        lambda: (found := _read(client, batch))["state"] == "finished" and found, what="it is aggregated", tolerate=GONE
    )


def _accepted(client: httpx.Client) -> float:
    """The items that the gateway has counted as accepted for lists."""
    return samples_in(client.get("/metrics").text, contract.METRIC_ITEMS_ACCEPTED)[contract.EVENT_LIST_QUEUE,]


def _readings(meter: str, number: int, count: int) -> list[dict[str, Any]]:
    return [{"meter": meter, "watt_hours": number * count + index} for index in range(count)]


def _sent(client: httpx.Client, method: str, url: str, body: Any, times: int = 1) -> None:
    """Repeat a request until it was accepted `times` times, as a sender does after a broken connection."""

    def accepted() -> bool:
        answer = client.request(method, url, json=body)
        assert answer.status_code < 400 or answer.status_code >= 500, answer.text
        return answer.is_success

    for _ in range(times):
        eventually(accepted, what=f"{method} {url} is accepted", tolerate=GONE)


def _moved(stack: Stack, meter: str) -> int:
    [(moved,)] = stack.query("SELECT watt_hours FROM tasks.meters WHERE meter = %s", meter)
    return int(moved)


def _reports(stack: Stack, readings: int, watt_hours: int) -> int:
    [(reports,)] = stack.query(
        "SELECT count(*) FROM tasks.meter_reports WHERE readings = %s AND watt_hours = %s", readings, watt_hours
    )
    return int(reports)


def _deliver_again(stack: Stack, batch: Batch) -> int:
    """Let the relays send every message of the batch once more; returns how many."""
    sent = stack.query(
        "INSERT INTO outbox_pending (message_id, queue, body_bytes, due_at, available_at) "
        "SELECT message_id, queue, octet_length(body), now(), now() FROM outbox WHERE job_id = %s "
        "ON CONFLICT DO NOTHING RETURNING 1",
        batch["batch_id"], role=Role.OWNER,
    )  # fmt: skip
    eventually(
        lambda: not stack.query("SELECT 1 FROM outbox_pending LIMIT 1") and not stack.broker.messages(),
        what="all is delivered again",
    )
    return len(sent)


def test_exact_whoever_dies(single: Stack) -> None:
    """Each request is sent twice, Redis is away, gateway, relay and worker are killed, each message comes again."""
    chunks, count = 60, 200
    meter = uuid4().hex
    total = sum(range(chunks * count))
    with single.http() as client:
        batch = _opened(client)
        single.machines["redis"].kill()

        def add(number: int) -> None:
            url = f"{batch['status_url']}/chunks/{number}"
            _sent(client, "PUT", url, _readings(meter, number, count), times=2)

        with ThreadPoolExecutor(4) as pool:
            adding = [pool.submit(add, number) for number in range(chunks)]
            eventually(lambda: _read(client, batch)["chunks"]["done"] >= 3, what="chunks are done", tolerate=GONE)
            single.machines["worker-bulk"].kill()
            single.machines["relay-1"].kill()
            single.machines["gateway"].kill()
            for name in ("gateway", "worker-bulk", "relay-1"):
                single.machines[name].start_again()
            [one.result() for one in adding]
        single.wait("worker-bulk")
        single.machines["worker-bulk"].kill_child()
        _sent(client, "POST", f"{batch['status_url']}/seal", {"chunks": chunks, "rows": chunks * count}, times=2)
        finished = _finished(client, batch)

        assert finished["aggregate"] == {"readings": chunks * count, "watt_hours": total}
        assert finished["chunks"] == {"added": chunks, "done": chunks, "dead_lettered": 0, "revoked": 0}
        assert _deliver_again(single, batch) == chunks + 1, "one message a chunk, and one triggered the aggregate"
        assert _read(client, batch) == finished
    assert _moved(single, meter) == total
    assert _reports(single, chunks * count, total) == 1


def test_it_waits_for_a_dead_chunk(single: Stack) -> None:
    """There is no aggregate while a chunk is in the dead letters; the batch shows it, and finishes after its replay."""
    meter = uuid4().hex
    with single.http() as client:
        batch = _opened(client)
        single.query("ALTER TABLE tasks.meters RENAME TO meters_away", role=Role.OWNER)
        try:
            _sent(client, "PUT", f"{batch['status_url']}/chunks/0", _readings(meter, 0, 3))
            eventually(lambda: _read(client, batch)["chunks"]["dead_lettered"] == 1, what="its chunk is dead")
        finally:
            single.query("ALTER TABLE tasks.meters_away RENAME TO meters", role=Role.OWNER)
        _sent(client, "PUT", f"{batch['status_url']}/chunks/1", _readings(meter, 1, 3))
        _sent(client, "POST", f"{batch['status_url']}/seal", {"chunks": 2, "rows": 6})
        eventually(lambda: _read(client, batch)["chunks"]["done"] == 1, what="its other chunk is done")
        waiting = _read(client, batch)
        assert (waiting["state"], waiting["aggregate"]) == ("sealed", None)

        single.operate("dead-letters", "replay", "--job", batch["batch_id"], "--note", "mended")
        finished = _finished(client, batch)
    assert finished["aggregate"] == {"readings": 6, "watt_hours": 15}
    assert finished["chunks"]["dead_lettered"] == 0


def test_each_request_may_be_repeated(single: Stack) -> None:
    """A repeated request gets the same answer; another request under the same name is refused and changes nothing."""
    meter = uuid4().hex
    named = {contract.HEADER_IDEMPOTENCY_KEY: uuid4().hex}
    with single.http() as client:
        before = _accepted(client)
        first, second = (client.post(BATCHES, json=OPEN, headers=named) for _ in range(2))
        assert (first.status_code, first.json()) == (second.status_code, second.json()) == (201, first.json())
        other = b'{ "task": "meter_totals"}'
        _refused(client.post(BATCHES, content=other, headers=named | JSON), 422, "idempotency-key-reused")

        batch = first.json()
        chunk, seal = f"{batch['status_url']}/chunks/7", f"{batch['status_url']}/seal"
        rows_ = _readings(meter, 0, 4)
        assert client.put(chunk, json=rows_).json() == client.put(chunk, json=rows_).json()
        _refused(client.put(chunk, json=rows_[:3]), 409, "other rows")
        _refused(client.post(seal, json={"chunks": 2, "rows": 4}), 409, "1 chunks with 4 rows")
        sealed = client.post(seal, json={"chunks": 1, "rows": 4}).raise_for_status().json()
        assert sealed["state"] in {"sealed", "finished"}
        assert client.post(seal, json={"chunks": 1, "rows": 4}).is_success
        assert client.put(chunk, json=rows_).status_code == 202, "a repeated add after the seal is the same add"
        _refused(client.put(f"{batch['status_url']}/chunks/8", json=rows_), 409, "sealed")
        _refused(client.post(seal, json={"chunks": 2, "rows": 8}), 409, "1 chunks with 4 rows")
        assert _finished(client, batch)["aggregate"] == {"readings": 4, "watt_hours": 6}
        assert _accepted(client) - before == 4, "repeated chunks are counted again"

        empty = _opened(client)
        client.post(f"{empty['status_url']}/seal", json={"chunks": 0, "rows": 0}).raise_for_status()
        assert _finished(client, empty)["aggregate"] == {"readings": 0, "watt_hours": 0}


def test_wrong_input_is_told(single: Stack) -> None:
    """Each endpoint says what is wrong, and where, in a problem document."""
    with single.http() as client:
        _refused(client.post(BATCHES, json={"task": "nothing"}), 422, "declared are: meter_totals")
        _refused(client.post(BATCHES, json={"task": 7}), 422, "#/task")
        _refused(client.post(BATCHES, json={}), 422, "#/task")
        _refused(client.post(BATCHES, content=b"{", headers=JSON), 422, "Invalid JSON")
        _refused(client.post(BATCHES, content=b"x" * 5000, headers=JSON), 413, "4096")
        _refused(client.post(BATCHES, content=b"{}"), 415, "application/json")
        batch = _opened(client)
        url = batch["status_url"]
        _refused(client.put(f"{url}/chunks/x", json=[]), 422, "must be a whole number")
        _refused(client.put(f"{url}/chunks/{2**31}", json=[]), 422, "must be a whole number")
        _refused(client.put(f"{url}/chunks/0", json={"meter": "a", "watt_hours": 1}), 422, "a list of rows")
        _refused(client.put(f"{url}/chunks/0", json=[]), 422, "at least 1")
        wrong = [{"meter": "a", "watt_hours": 1}, {"meter": "B", "watt_hours": -1}]
        _refused(client.put(f"{url}/chunks/0", json=wrong), 422, "#/1/watt_hours")
        _refused(client.put(f"{url}/chunks/0", json=[{"meter": "a", "watt_hours": 1}] * 1001), 422, "at most 1000")
        _refused(client.post(f"{url}/seal", json={"chunks": "1", "rows": 1}), 422, "#/chunks")
        _refused(client.post(f"{url}/seal", json={"chunks": 1}), 422, "#/rows")
        for nobodys, status, words in ((uuid4(), 404, "No batch"), ("x", 422, "valid UUID")):
            _refused(client.get(f"{BATCHES}/{nobodys}"), status, words)
            _refused(client.put(f"{BATCHES}/{nobodys}/chunks/0", json=wrong), status, words)
            _refused(client.post(f"{BATCHES}/{nobodys}/seal", json={"chunks": 0, "rows": 0}), status, words)
        assert _read(client, batch)["chunks"]["added"] == 0
        other = single.operate("api-keys", "create", "--name", "other", "--scope", "jobs:read").split()[-1]
        stranger = {contract.HEADER_API_KEY: other}
        _refused(client.get(url, headers=stranger), 404, "No batch")
        _refused(client.post(BATCHES, json=OPEN, headers=stranger), 403, "tasks:write")


def _refused(answer: httpx.Response, status: int, words: str) -> None:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert answer.status_code == status, answer.text
    assert words in json.dumps(answer.json()), answer.text


def test_memory_does_not_grow_with_the_batch(single: Stack) -> None:
    """With ten times the rows, broker, workers and relays need no more memory, apart from usual variation."""

    def measured(count: int) -> dict[str, int]:
        return rows.run(
            single.gateway_url, single.ca_file, single.api_key, rows=count, threads=4, containers=f"{single._prefix}-"
        ).peak_mib

    measured(20_000)  # each process has done it all once
    rounds = []
    for _ in range(3):  # the growth of a batch repeats itself; the peak of a busy machine does not
        small, large = measured(20_000), measured(200_000)
        rounds.append({name: large[name] - small[name] for name in small if name != "postgresql"})
        if all(min(grown[name] for grown in rounds) <= 48 for name in rounds[0]):
            return
    pytest.fail(f"more memory each time, in MiB: {rounds}")
