"""The routes of jobs: an API key lists, reads and revokes its own."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.contract import Scope
from app.gateway import job_list, openapi
from app.gateway.answers import Counts
from app.gateway.api_keys import KeyRecord
from app.gateway.connections import Connection
from app.gateway.job_list import Page
from app.gateway.job_query import JobQuery, to_cursor
from app.gateway.parts import parts_of
from app.gateway.problems import NOT_FOUND, ProblemError
from app.gateway.submission import JOBS_PATH
from app.kinds import registry
from app.storage.identifiers import created_at
from app.storage.job_records import Job

router = APIRouter()

PATH = JOBS_PATH + "/{job_id}"
_REVOKE = """
    INSERT INTO job_revocations (job_id)
    SELECT job_id FROM jobs WHERE job_id = %(job_id)s AND api_key_id = %(api_key_id)s
    ON CONFLICT DO NOTHING
"""


@router.get(JOBS_PATH, response_class=Response, **openapi.JOBS)
async def jobs(request: Request) -> Response:
    """The jobs of the caller's own key, newest first."""
    key = await _admit(request, Scope.JOBS_READ)
    query = JobQuery.of(request.query_params, tasks=registry.declarations())

    async def read(connection: Connection) -> Page:
        return await job_list.read(connection, query, api_key_id=key.api_key_id)

    page = await parts_of(request).database.run(read)
    cursor = None if page.next_after is None else to_cursor(page.next_after)
    return _json({"jobs": [render(job) for job in page.jobs], "next": cursor})


@router.get(PATH, response_class=Response, **openapi.JOB)
async def job(request: Request) -> Response:
    """State, counts, attempts, times and the last error of a job; only jobs of the caller's own key are shown."""
    key = await _admit(request, Scope.JOBS_READ)
    job_id = _job_id(request.path_params["job_id"])

    async def read(connection: Connection) -> list[Job]:
        return await job_list.read_jobs(connection, [job_id], api_key_id=key.api_key_id)

    return _one(await parts_of(request).database.run(read))


@router.post(PATH + "/revoke", response_class=Response, **openapi.REVOKE)
async def revoke(request: Request) -> Response:
    """Let no further item of the job begin; an item that runs already goes on. The answer is the job."""
    key = await _admit(request, Scope.TASKS_WRITE)
    job_id = _job_id(request.path_params["job_id"])

    async def write(connection: Connection) -> list[Job]:
        await connection.execute(_REVOKE, {"job_id": job_id, "api_key_id": key.api_key_id})
        return await job_list.read_jobs(connection, [job_id], api_key_id=key.api_key_id)

    return _one(await parts_of(request).database.run(write, writes=True))


def render(job: Job) -> dict[str, Any]:
    """A job, as its owner is told."""
    status = job.status
    return {
        "job_id": str(job.job_id),
        "task": job.task_name,
        "queue": job.queue,
        "state": status.state.value,
        "counts": {name: getattr(status, name) for name in Counts.model_fields},
        "attempts": status.attempts,
        "failed_attempts": status.failed_attempts,
        "accepted_at": job.records.accepted_at,
        "revoked_at": job.records.revoked_at,
        "first_executed_at": status.first_executed_at,
        "finished_at": status.finished_at,
        "last_error": asdict(status.last_error) if status.last_error else None,
    }


async def _admit(request: Request, scope: Scope) -> KeyRecord:
    parts = parts_of(request)
    key = await parts.authenticator.require(request, scope)
    await parts.limiter.check(key.api_key_id, key.requests_per_second)
    return key


def _one(found: list[Job]) -> Response:
    if not found:
        raise _not_found()
    return _json(render(found[0]))


def _json(body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")


def _job_id(given: str) -> UUID:
    try:
        job_id = UUID(given)
        created_at(job_id)
    except (ValueError, OverflowError, OSError):
        raise _not_found() from None
    return job_id


def _not_found() -> ProblemError:
    return ProblemError(NOT_FOUND, "No job of this API key has this id.")
