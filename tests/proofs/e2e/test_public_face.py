"""What the world sees, through the ingress and by nothing else: each answer, and that accepted is executed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from app import contract
from app.contract import Scope
from tests.harness.kubernetes.kubectl import Kubectl
from tests.harness.kubernetes.poison import mend, stored
from tests.harness.kubernetes.target import Target
from tests.harness.tls import plain_answer
from tests.harness.waiting import eventually

EVENTS = "/v1/events"
#: Seconds that two busy cores may take for what takes milliseconds.
PATIENCE = 120
#: As long as a key, and nobody's.
WRONG_KEY = f"mr_{'0' * 16}_{'0' * 64}"


@pytest.fixture(scope="session")
def client(target: Target) -> Iterator[httpx.Client]:
    """Somebody who may write events and read his jobs."""
    with target.client() as opened:
        yield opened


def event(**payload: Any) -> dict[str, Any]:
    """An event that is accepted."""
    return {
        "event_id": str(uuid4()),
        "type": "e2e",
        "occurred_at": datetime.now(UTC).isoformat(),
        "payload": {"user_id": "e2e", "amount": 1, **payload},
    }


def _problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def _succeeded(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text

    def succeeded() -> dict[str, Any]:
        job: dict[str, Any] = client.get(answer.headers["Location"]).raise_for_status().json()
        if job["state"] != "succeeded":
            raise LookupError(job)
        return job

    return eventually(succeeded, within=PATIENCE, every=0.5, what="the job succeeded", tolerate=(LookupError,))


def test_an_event_is_accepted_and_executed(client: httpx.Client) -> None:
    """202, where its state is, and then its end."""
    assert _succeeded(client, client.post(EVENTS, json=event()))["counts"]["executed"] == 1


def test_a_list_is_one_job(client: httpx.Client) -> None:
    """Of five hundred events, each executed."""
    events = [event() for _ in range(500)]
    assert _succeeded(client, client.post(EVENTS, json=events))["counts"]["executed"] == len(events)


def test_a_request_that_is_repeated_is_the_same_job(client: httpx.Client) -> None:
    """With its Idempotency-Key; another body under the same key is 422."""
    one, headers = event(), {contract.HEADER_IDEMPOTENCY_KEY: str(uuid4())}
    first, second = (client.post(EVENTS, json=one, headers=headers) for _ in range(2))
    assert first.status_code == second.status_code == httpx.codes.ACCEPTED
    assert first.content == second.content
    _problem(client.post(EVENTS, json=event(), headers=headers), 422)
    _succeeded(client, first)


@pytest.mark.parametrize(
    "body",
    [{**event(), "unknown": 1}, {**event(), "event_id": "7"}, {**event(), "occurred_at": "yesterday"}, [], {}],
    ids=["unknown field", "no uuid", "no time", "empty list", "nothing"],
)
def test_what_is_no_event_is_422(client: httpx.Client, body: Any) -> None:
    """Refused at the door, not dead-lettered later."""
    _problem(client.post(EVENTS, json=body), 422)


@pytest.mark.parametrize("key", ["", WRONG_KEY], ids=["none", "wrong"])
def test_nobody_is_401(target: Target, key: str) -> None:
    """For events and for jobs."""
    with target.client(key) as nobody:
        _problem(nobody.post(EVENTS, json=event()), 401)
        _problem(nobody.get(f"/v1/jobs/{uuid4()}"), 401)


def test_who_may_only_read_is_403(target: Target) -> None:
    """A key without the scope to write."""
    words = ("api-keys", "create", "--name", "e2e reader", "--scope", str(Scope.JOBS_READ))
    with target.client(target.operate(*words).split()[-1]) as reader:
        _problem(reader.post(EVENTS, json=event()), 403)


def test_too_large_is_413(client: httpx.Client) -> None:
    """More than the bound of a whole request; the ingress may close as soon as it has the answer."""
    _problem(client.post(EVENTS, content=b" " * (33 << 20), headers={"Content-Type": "application/json"}), 413)


def test_another_type_is_415(client: httpx.Client) -> None:
    """JSON only."""
    _problem(client.post(EVENTS, content=b"x", headers={"Content-Type": "text/plain"}), 415)


def test_the_description_is_there(client: httpx.Client) -> None:
    """For programs; a page for people would load scripts from other people's servers, so that there is none."""
    answer = client.get("/openapi.json")
    assert answer.status_code == httpx.codes.OK
    assert EVENTS in answer.json()["paths"]


def test_plain_http_is_not_answered(target: Target) -> None:
    """Neither with an answer nor with a redirect, which would have had the key already."""
    url = urlsplit(target.gateway_url)
    assert url.scheme == "https"
    if url.hostname in {"localhost", "127.0.0.1"}:
        answer = plain_answer(url.port or 443, b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert not answer or answer.startswith((b"\x15", b"HTTP/1.0 400", b"HTTP/1.1 400")), answer
    else:
        with httpx.Client(trust_env=False, timeout=10) as client:
            plain = f"http://{url.hostname}:{url.port or 443}/readyz"
            try:
                assert client.get(plain).status_code == httpx.codes.BAD_REQUEST
            except httpx.TransportError:
                return


def test_poison_is_archived_and_can_be_replayed(target: Target, kubectl: Kubectl) -> None:
    """A task that fails for good is a dead letter with its reason; mended and replayed, it is dead no longer."""
    sent = json.loads(target.operate("drill", "--fault", "raise", "--queue", contract.EVENT_QUEUE).splitlines()[-1])

    def letters() -> list[dict[str, Any]]:
        words = ("dead-letters", "list", "--state", "all", "--limit", "200", "--json")
        listed: list[dict[str, Any]] = json.loads(target.operate(*words))
        return [letter for letter in listed if letter["task_id"] == sent["task_id"]]

    [letter] = eventually(letters, within=PATIENCE, every=1, what="the poison is archived")
    assert (letter["state"], letter["reason"], letter["queue"]) == ("dead", "failed", contract.EVENT_QUEUE)
    mend(kubectl, sent["switch"])
    target.operate("dead-letters", "replay", letter["dead_letter_id"], "--note", "e2e: mended", "--actor", "e2e")
    assert [one["state"] for one in letters()] == ["replayed"]
    eventually(lambda: stored(kubectl, sent["event_id"]) == "1", within=PATIENCE, every=1, what="its effect is there")
    assert [one["state"] for one in letters()] == ["replayed"]
