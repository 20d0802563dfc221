"""What an owner of jobs does: submits, asks, lists, revokes; and what its jobs did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
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

Job = dict[str, Any]


@contextmanager
def owner(stack: Stack) -> Iterator[httpx.Client]:
    """An owner of jobs with a key of its own, so that its list is empty at first."""
    key = here.api_key(stack, Scope.TASKS_WRITE, Scope.JOBS_READ, requests_per_second=5000)
    with stack.http(headers={contract.HEADER_API_KEY: key}) as client:
        yield client


def submit(client: httpx.Client, body: Any, **headers: str) -> str:
    """The id of the job that was accepted."""
    answer = client.post(EVENTS, json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def told(client: httpx.Client, job_id: str) -> Job:
    """The job, as its owner is told."""
    job: Job = client.get(f"{JOBS}/{job_id}").raise_for_status().json()
    return job


def revoke(client: httpx.Client, job_id: str) -> Job:
    """The job after it was revoked, as its owner is told."""
    job: Job = client.post(f"{JOBS}/{job_id}/revoke").raise_for_status().json()
    return job


def listed(client: httpx.Client, **query: Any) -> list[Job]:
    """All pages."""
    found: list[Job] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.get(JOBS, params={**query, **cursor}).raise_for_status().json()
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
