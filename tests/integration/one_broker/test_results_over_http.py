"""The owner of a job, and nobody else, polls the results of its items over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.contract import Role
from app.gateway.item_results import PAGE_MAX_BYTES
from tests.harness import chords, jobs
from tests.harness.messages import event
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

TASKS = "/v1/tasks"
#: Longer than Redis keeps a result.
AGED = "UPDATE inbox SET executed_at = executed_at - interval '25 h' WHERE job_id = %s"
AGED_JOB = "UPDATE jobs SET accepted_at = accepted_at - interval '25 h' WHERE job_id = %s"


@pytest.fixture(scope="module")
def prepared(_single: Stack) -> Stack:
    """A stack that knows tasks with results. It is prepared once for all tests here; each leaves it as it was."""
    from tests.harness.stacks import healed  # pytest has to see the plugin before anybody imports it

    stack = healed(_single)
    chords.gateway(stack)
    chords.worker(stack)
    return stack


@pytest.fixture
def client(prepared: Stack) -> Iterator[httpx.Client]:
    """The client of an owner of jobs. Processes that a failed test stopped run again."""
    if not prepared.machines["redis"].running:
        prepared.machines["redis"].start_again()
    if "worker-interactive" not in prepared.machines:
        chords.worker(prepared)
    with jobs.owner(prepared) as client:
        yield client


def number(value: int) -> dict[str, Any]:
    """An item."""
    return {"name": str(uuid4()), "number": value}


def submit(client: httpx.Client, task: str, items: Any) -> str:
    """Submit items; returns the id of the job."""
    return str(client.post(f"{TASKS}/{task}", json=items).raise_for_status().json()["job_id"])


def results(client: httpx.Client, job_id: str, **query: Any) -> dict[str, Any]:
    """A page."""
    page: dict[str, Any] = client.get(f"{jobs.JOBS}/{job_id}/results", params=query).raise_for_status().json()
    return page


def states(client: httpx.Client, job_id: str) -> list[str]:
    """The states of the items."""
    return [one["state"] for one in results(client, job_id)["results"]]


def wait(client: httpx.Client, job_id: str, wanted: list[str]) -> list[dict[str, Any]]:
    """Poll until the items have the wanted states."""
    # 503 is what a slow Redis gets here, too: then it is asked again.
    eventually(
        lambda: states(client, job_id) == wanted, what=f"{job_id} says {wanted}", tolerate=(httpx.HTTPStatusError,)
    )
    found: list[dict[str, Any]] = results(client, job_id)["results"]
    return found


def test_results_are_polled(prepared: Stack, client: httpx.Client) -> None:
    """Both backends give results by item, in order, on pages: pending, values, failures."""
    prepared.remove("worker-interactive")
    items = [number(1), number(-1), number(3)]
    lasting, passing = submit(client, "double", items), submit(client, "repeat", items)
    assert states(client, lasting) == states(client, passing) == ["pending"] * 3
    chords.worker(prepared)

    ended = ["succeeded", "failed", "succeeded"]
    told = wait(client, lasting, ended)
    assert [one["key"] for one in told] == [item["name"] for item in items]
    assert [one["value"] for one in told] == [2, None, 6]
    assert [one["value"] for one in wait(client, passing, ended)] == ["x", None, "xxx"]
    for job_id in (lasting, passing):
        jobs.ended(client, job_id)
        error = results(client, job_id)["results"][1]["error"]
        assert (error["reason"], error["exception_type"]) == ("failed", "PoisonError")
        assert "a number that can never work" in error["message"]
    pages = [results(client, lasting, limit=2), results(client, lasting, limit=2, after=2)]
    assert [page["next"] for page in pages] == [2, None]
    assert [one for page in pages for one in page["results"]] == results(client, lasting)["results"]


def test_a_page_is_bounded(client: httpx.Client) -> None:
    """A page is bounded in bytes, too: the rest is on the next page; a result that fits on no page is `too_large`."""
    half = PAGE_MAX_BYTES // 2 + 1
    job_id = submit(client, "repeat", [number(half), number(PAGE_MAX_BYTES), number(half), number(1)])
    jobs.ended(client, job_id)
    eventually(lambda: states(client, job_id) == ["succeeded", "too_large"], what="the first page is full")
    assert results(client, job_id)["next"] == 2
    second = results(client, job_id, after=2)
    assert ([len(one["value"]) for one in second["results"]], second["next"]) == ([half, 1], None)


def test_nobody_else_reads_them(prepared: Stack, client: httpx.Client) -> None:
    """A request with another key, without a key, or with a malformed id reads nothing."""
    job_id = submit(client, "double", number(4))
    wait(client, job_id, ["succeeded"])

    path = f"{jobs.JOBS}/{job_id}/results"
    with jobs.owner(prepared) as stranger:
        assert stranger.get(path).status_code == 404
    assert client.get(path, headers={"X-API-Key": ""}).status_code == 401
    assert client.get(f"{jobs.JOBS}/{uuid4()}/results").status_code == 404
    for wrong in ("job/results", f"{job_id}/results?after=-1", f"{job_id}/results?limit=101"):
        answer = client.get(f"{jobs.JOBS}/{wrong}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert client.get(f"{jobs.JOBS}/{jobs.submit(client, event())}/results").status_code == 404  # keeps none


def test_what_is_no_longer_kept_is_gone(prepared: Stack, client: httpx.Client) -> None:
    """A missing result is pending for a day, as long as Redis keeps results, then gone; a revoked item is revoked."""
    job_id = submit(client, "repeat", [number(1), number(2)])
    wait(client, job_id, ["succeeded"] * 2)
    with prepared.redis() as session:
        session.delete(*session.keys("celery-task-meta-*"))
    assert states(client, job_id) == ["pending"] * 2
    prepared.query(AGED, job_id, role=Role.OWNER)
    assert states(client, job_id) == ["pending"] * 2, "another job executed the key: this one's result comes yet"
    prepared.query(AGED_JOB, job_id, role=Role.OWNER)
    assert states(client, job_id) == ["gone"] * 2

    prepared.remove("worker-interactive")
    revoked = submit(client, "double", number(5))
    late = client.post(f"{TASKS}/repeat", json=number(6), headers={"Millrace-Expires-Seconds": "1"}).json()["job_id"]
    jobs.revoke(client, revoked)
    chords.worker(prepared)
    wait(client, revoked, ["revoked"])
    wait(client, late, ["expired"])


def test_without_redis_everything_else_works(prepared: Stack, client: httpx.Client) -> None:
    """The gateway answers 503 with Retry-After for results in Redis; it still tells jobs, and results in PostgreSQL."""
    passing, lasting = submit(client, "repeat", number(7)), submit(client, "double", number(8))
    wait(client, passing, ["succeeded"])
    prepared.machines["redis"].kill()

    answer = client.get(f"{jobs.JOBS}/{passing}/results")
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (503, "results-unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert jobs.told(client, passing)["state"] == "succeeded"
    wait(client, lasting, ["succeeded"])
    wait(client, submit(client, "double", number(9)), ["succeeded"])
    prepared.machines["redis"].start_again()
    eventually(
        lambda: client.get(f"{jobs.JOBS}/{passing}/results").status_code == 200, what="Redis answers the gateway again"
    )
    wait(client, passing, ["succeeded"])
