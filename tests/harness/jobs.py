"""An owner of jobs: submits, asks, lists, revokes; and what its jobs did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx

from app import contract
from app.contract import Scope
from tests.harness import here
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

EVENTS, JOBS = "/v1/events", "/v1/jobs"
_NOTHING_ACCEPTED = f"{contract.PROBLEM_TYPE_PREFIX}unavailable"

Job = dict[str, Any]


@contextmanager
def owner(stack: Stack) -> Iterator[httpx.Client]:
    """An owner of jobs with a key of its own, so that its list is empty at first."""
    key = here.api_key(stack, Scope.TASKS_WRITE, Scope.JOBS_READ, requests_per_second=5000)
    with stack.http(headers={contract.HEADER_API_KEY: key}) as client:
        yield client


def _answered(ask: Callable[[], httpx.Response], *, repeatable: bool = True) -> httpx.Response:
    """Ask again after a 503, as a client does: a gateway answers so while PostgreSQL is slow.

    A request that is not repeatable is sent again only if the gateway said that it accepted nothing.
    """

    def answer() -> httpx.Response | None:
        got = ask()
        is_away = got.status_code == httpx.codes.SERVICE_UNAVAILABLE
        return None if is_away and (repeatable or got.json()["type"] == _NOTHING_ACCEPTED) else got

    return eventually(answer, what="another answer than 503")


def submit(client: httpx.Client, body: Any, **headers: str) -> str:
    """The id of the job that was accepted."""
    answer = _answered(lambda: client.post(EVENTS, json=body, headers=headers), repeatable=False)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def told(client: httpx.Client, job_id: str) -> Job:
    """The job, as its owner is told."""
    job: Job = _answered(lambda: client.get(f"{JOBS}/{job_id}")).raise_for_status().json()
    return job


def revoke(client: httpx.Client, job_id: str) -> Job:
    """The job after it was revoked, as its owner is told."""
    job: Job = _answered(lambda: client.post(f"{JOBS}/{job_id}/revoke")).raise_for_status().json()
    return job


def listed(client: httpx.Client, **query: Any) -> list[Job]:
    """All pages."""
    found: list[Job] = []
    cursor: dict[str, str] = {}
    while True:
        asked = {**query, **cursor}
        page = _answered(lambda asked=asked: client.get(JOBS, params=asked)).raise_for_status().json()  # type: ignore[misc]
        found += page["jobs"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


def ended(client: httpx.Client, job_id: str) -> Job:
    """Wait until none of its items waits."""

    def has_ended() -> Job | None:
        job = told(client, job_id)
        return job if job["counts"]["waiting"] == 0 else None

    job = eventually(has_ended, what=f"each item of {job_id} has ended", tolerate=(httpx.HTTPError,))
    assert job is not None
    return job


def effects(stack: Stack, *job_ids: str) -> Counter[UUID]:
    """How many effects each of the jobs has."""
    rows = stack.query("SELECT job_id, count(*) FROM events WHERE job_id = ANY(%s::uuid[]) GROUP BY 1", list(job_ids))
    return Counter(dict(rows))
