"""The gateway with real servers: each answer it can give, and what it means for what is stored."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import uuid4

import httpx

from app import contract
from app.contract import Scope
from app.gateway.problems import OUTCOME_UNKNOWN
from tests.harness import here
from tests.harness.load import drain
from tests.harness.messages import carried, event
from tests.harness.stack import QUICK, Stack
from tests.harness.waiting import eventually

PROBLEM = "application/problem+json"


def _problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    return body


def _stored(stack: Stack, *event_ids: str) -> int:
    return int(stack.query("SELECT count(*) FROM events WHERE event_id = ANY(%s::uuid[])", list(event_ids))[0][0])


def _finished(client: httpx.Client, response: httpx.Response) -> dict[str, Any]:
    def state() -> dict[str, Any] | None:
        job: dict[str, Any] = client.get(response.headers["Location"]).raise_for_status().json()
        return job if job["counts"]["waiting"] == 0 else None

    return eventually(state, what="the job is finished", tolerate=(httpx.HTTPStatusError,))


def test_twins_with_one_idempotency_key_get_one_job(single: Stack) -> None:
    """Eight concurrent requests with one key and body get one answer and are executed once; another body is 422."""
    one = event()
    headers = {contract.HEADER_IDEMPOTENCY_KEY: str(uuid4())}
    with single.http() as client, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/events", json=one, headers=headers), range(8)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.content for answer in answers}) == 1
        _problem(client.post("/v1/events", json=event(), headers=headers), 422)
        assert _finished(client, answers[0])["counts"]["executed"] == 1
    assert _stored(single, one["event_id"]) == 1


def test_list_of_a_thousand_is_stored_once_each(single: Stack) -> None:
    """A list of 1,000 goes in batches, and each of its events is stored once; 1,001 are refused."""
    events = [event(f"user-{number % 7}") for number in range(contract.REQUEST_MAX_ITEMS)]
    with single.http() as client:
        answer = client.post("/v1/events", json=events)
        assert answer.status_code == 202
        job = _finished(client, answer)
        assert job["counts"]["executed"] == len(events)
        _problem(client.post("/v1/events", json=[*events, event()]), 422)
    ids = [one["event_id"] for one in events]
    assert _stored(single, *ids) == len(events)
    messages = single.query("SELECT count(*) FROM outbox WHERE job_id = %s", job["job_id"])[0][0]
    assert messages == contract.REQUEST_MAX_ITEMS / contract.BATCH_MAX_ITEMS


def test_a_key_is_its_senders(single: Stack) -> None:
    """A12, BR-09: an event id that one API key has used is free for another; neither waits nor is told of the other."""
    other = here.api_key(single, Scope.TASKS_WRITE, Scope.JOBS_READ)
    mine, theirs = event("mine"), event("theirs")
    theirs["event_id"] = mine["event_id"]
    with single.http() as client, single.http(headers={contract.HEADER_API_KEY: other}) as neighbour:
        for sender, one in ((client, mine), (neighbour, theirs), (client, mine)):
            answer = sender.post("/v1/events", json=one)
            assert answer.status_code == 202
            assert _finished(sender, answer)["counts"]["executed"] == 1
    users = single.query("SELECT user_id FROM events WHERE event_id = %s ORDER BY 1", mine["event_id"])
    assert users == [("mine",), ("theirs",)]


def test_event_sent_twice_is_stored_once(single: Stack) -> None:
    """The same event id in two requests, alone and in a list, is two accepted jobs and one effect."""
    one, other = event(), event()
    with single.http() as client:
        answers = [client.post("/v1/events", json=body) for body in (one, [one, other], one)]
        assert {answer.status_code for answer in answers} == {202}
        for answer in answers:
            _finished(client, answer)
    assert _stored(single, one["event_id"]) == 1
    assert _stored(single, other["event_id"]) == 1


def test_state_of_a_job(single: Stack) -> None:
    """A job waits while no worker runs, and is executed at its first attempt when one does; others may not see it."""
    single.remove("worker-interactive")
    with single.http() as client:
        answer = client.post("/v1/events", json=event())
        waiting = client.get(answer.headers["Location"]).json()
        assert (waiting["counts"]["waiting"], waiting["counts"]["executed"]) == (1, 0)
        single.ensure("worker-interactive")
        done = _finished(client, answer)
        assert (done["counts"]["executed"], done["attempts"], done["last_error"]) == (1, 1, None)
        assert done["state"] != waiting["state"]
        assert done["finished_at"] >= done["accepted_at"]
        _problem(client.get(f"/v1/jobs/{uuid4()}"), 404)
    with single.http(headers={contract.HEADER_API_KEY: here.api_key(single, Scope.JOBS_READ)}) as stranger:
        _problem(stranger.get(answer.headers["Location"]), 404)


def test_refusals(single: Stack) -> None:
    """401, 403, 413, 415, 422 and 429 are problem documents, and store nothing."""
    jobs = single.query("SELECT count(*) FROM jobs")
    good, path = event(), "/v1/events"
    with single.http(headers={contract.HEADER_API_KEY: ""}) as nobody:
        _problem(nobody.post(path, json=good), 401)
        _problem(
            nobody.post(path, json=good, headers={contract.HEADER_API_KEY: "mr_" + "0" * 16 + "_" + "0" * 64}), 401
        )
    with single.http(headers={contract.HEADER_API_KEY: here.api_key(single, Scope.JOBS_READ)}) as reader:
        _problem(reader.post(path, json=good), 403)
    with single.http() as client:
        _problem(client.post(path, json=event(padding="x" * 5_000_000)), 422)
        _problem(client.post(path, content=b"x", headers={"Content-Type": "text/plain"}), 415)
        for bad in (
            {**good, "unknown": 1},
            {**good, "event_id": "7"},
            {**good, "occurred_at": "yesterday"},
            {**good, "payload": []},
            event(text="a\u0000b"),
            [],
            [good, {**good, "type": ""}],
        ):
            _problem(client.post(path, json=bad), 422)
        _problem(client.post(path, content=b"{", headers={"Content-Type": "application/json"}), 422)
    assert single.query("SELECT count(*) FROM jobs") == jobs
    # One in 50 s, so that ten are too many however slow the machine is.
    rare = here.api_key(single, Scope.TASKS_WRITE, requests_per_second=0.02)
    with single.http(headers={contract.HEADER_API_KEY: rare}) as slow:
        answers = [slow.post(path, json=event()) for _ in range(10)]
    limited = [answer for answer in answers if answer.status_code != 202]
    assert limited
    for answer in limited:
        _problem(answer, 429)
        assert int(answer.headers["Retry-After"]) >= 1


def test_overload_is_shed_lowest_class_first(single: Stack) -> None:
    """With the outbox above its bound lists are refused first, then single events, both with 503 and Retry-After."""
    single.remove("relay-1", "relay-2")
    # Single events are refused at 125. A gateway that looks late finds room for what comes meanwhile.
    single.replace("gateway", environment={**QUICK, "MILLRACE_OUTBOX_MAX_MESSAGES": "100"})
    with single.http() as client:

        def refused(body: Any) -> httpx.Response | None:
            answer = client.post("/v1/events", json=body)
            return answer if answer.status_code != 202 else None

        for _ in range(100):
            refused([event()])
        answer = eventually(lambda: refused([event()]), every=1, what="lists are shed")
        assert answer is not None
        _problem(answer, 503)
        assert client.post("/v1/events", json=event()).status_code == 202
        answer = eventually(lambda: refused(event()), every=0.05, what="single events are shed")
        assert answer is not None
        _problem(answer, 503)
        assert int(answer.headers["Retry-After"]) >= 1
        assert client.get("/readyz").status_code == 200
        single.ensure("relay-1")
        eventually(lambda: not refused(event()), every=0.3, what="it accepts again")


def test_postgresql_away_is_503(single: Stack) -> None:
    """Without PostgreSQL nothing is accepted: 503 with Retry-After, not ready, but alive; then all is well again."""
    single.machines["postgresql"].stop(timeout=20)
    with single.http() as client:
        answer = client.post("/v1/events", json=event())
        _problem(answer, 503)
        assert int(answer.headers["Retry-After"]) >= 1
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        single.machines["postgresql"].start_again()
        single.wait("postgresql")
        eventually(lambda: client.post("/v1/events", json=event()).status_code == 202, what="it accepts again")
    drain(single)


def test_postgresql_frozen_is_503(single: Stack) -> None:
    """The gateway answers in its time, and says that a write whose connection was there may have been done."""
    single.replace("gateway", environment={**QUICK, "MILLRACE_POSTGRESQL_ANSWER_SECONDS": "1"})
    postgresql = single.machines["postgresql"]
    with single.http() as client:

        def accepted() -> bool:
            return client.post("/v1/events", json=event()).status_code == httpx.codes.ACCEPTED

        eventually(accepted, what="a connection is there")
        postgresql.pause()
        try:
            refused = _problem(client.post("/v1/events", json=event()), 503)
        finally:
            postgresql.unpause()
        eventually(accepted, what="it accepts again")
    assert refused["type"].endswith(OUTCOME_UNKNOWN.name)
    single.ensure("gateway")
    drain(single)


def test_bad_events_neither_fail_nor_repeat_their_neighbours(single: Stack) -> None:
    """A batch with one event that cannot be stored (it came past the gateway) stores the others; it dies alone.

    There are three batches, each with another kind of bad event.
    """
    good = [event() for _ in range(15)]
    bad = []
    for number, broken in enumerate(({"occurred_at": "never"}, {"payload": "no object"}, {"event_id": "no uuid"})):
        sent = [carried(one) for one in good[5 * number :][:5]]
        bad.append(carried(event()))
        bad[-1]["item"] |= broken
        here.inject(single, "bulk", contract.TASK_INGEST_EVENT, [[*sent[:2], bad[-1], *sent[2:]]])
    letters = "SELECT count(*) FROM dead_letters WHERE state = 'dead' AND keys = ARRAY[%s]"

    def died(key: str) -> bool:
        return single.query(letters, key) == [(1,)]

    for one in bad:
        eventually(partial(died, one["key"]), what="the bad event is dead")
    drain(single)
    assert _stored(single, *(one["event_id"] for one in good)) == len(good)
    for one in good[::5]:
        rows = single.query("SELECT count(*) FROM dead_letters WHERE body LIKE %s", f"%{one['event_id']}%".encode())
        assert rows == [(0,)]


def test_the_api_describes_itself(single: Stack) -> None:
    """The document is served, and names what is served; the suite `schemathesis` holds the gateway to it."""
    with single.http() as client:
        document = client.get("/openapi.json").raise_for_status().json()
    assert {"/v1/events", "/v1/jobs/{job_id}", "/readyz"} <= document["paths"].keys()
