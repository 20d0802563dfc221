"""The routes of jobs: an API key lists, reads and revokes its own."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from app.contract import Scope
from app.gateway import answers, job_list, parameters
from app.gateway.api_keys import KeyRecord
from app.gateway.connections import Connection
from app.gateway.job_list import Page
from app.gateway.job_query import LIMIT_MAX, JobQuery, to_cursor
from app.gateway.openapi import refusals
from app.gateway.parts import Caller, parts_of
from app.gateway.problems import INVALID, NOT_FOUND, FieldError, ProblemError
from app.gateway.submission import JOBS_PATH
from app.kinds import registry
from app.storage.job_records import Job

router = APIRouter(responses=refusals(401, 403, 422, 429, 503))

PATH = JOBS_PATH + "/{job_id}"
Reader = Annotated[KeyRecord, Depends(Caller(Scope.JOBS_READ))]

_REVOKE = """
    INSERT INTO job_revocations (job_id)
    SELECT job_id FROM jobs WHERE job_id = %(job_id)s AND api_key_id = %(api_key_id)s
    ON CONFLICT DO NOTHING
"""


@router.get(
    JOBS_PATH,
    response_model=answers.Jobs,
    description="The jobs of the caller's own key, newest first. A request looks at most at "
    f"{job_list.PASSED_MAX:,} jobs, derives the state of at most {LIMIT_MAX}, and looks up about "
    f"{job_list.ITEMS_MAX:,} of their items: so a page may hold fewer jobs than `limit`, or none, although more "
    "match. There are more as long as `next` is not null.",
)
async def list_jobs(request: Request, key: Reader, query: Annotated[JobQuery, Query()]) -> Response:
    """A page of jobs."""
    parameters.refuse_repeated(request.query_params, JobQuery.model_fields)
    if query.task is not None and query.task not in registry.declarations():
        raise ProblemError(INVALID, errors=[FieldError(pointer="task", detail="is not a declared task")])

    async def read(connection: Connection) -> Page:
        return await job_list.read(connection, query, api_key_id=key.api_key_id)

    page = await parts_of(request).database.run(read)
    cursor = None if page.next_after is None else to_cursor(page.next_after)
    return answers.written({"jobs": [render(job) for job in page.jobs], "next": cursor})


@router.get(PATH, response_model=answers.Job, responses=refusals(404))
async def get_job(request: Request, key: Reader, job_id: UUID) -> Response:
    """What became of a request of the caller's own key."""

    async def read(connection: Connection) -> list[Job]:
        return await job_list.read_jobs(connection, [job_id], api_key_id=key.api_key_id)

    return _one(await parts_of(request).database.run(read))


@router.post(PATH + "/revoke", response_model=answers.Job, responses=refusals(404))
async def revoke_job(
    request: Request, key: Annotated[KeyRecord, Depends(Caller(Scope.TASKS_WRITE))], job_id: UUID
) -> Response:
    """Revoke the items that have not begun.

    No further item of the job begins. An item that already runs goes on: it is executed, or it fails and is then
    revoked instead of tried again. The job is `revoking` until the end of each item is known. If no item waits, dead
    letters of the job can still no longer be replayed. A second revocation changes nothing.
    """

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
        "counts": {name: getattr(status, name) for name in answers.Counts.model_fields},
        "attempts": status.attempts,
        "failed_attempts": status.failed_attempts,
        "accepted_at": job.records.accepted_at,
        "revoked_at": job.records.revoked_at,
        "first_executed_at": status.first_executed_at,
        "finished_at": status.finished_at,
        "last_error": asdict(status.last_error) if status.last_error else None,
    }


def _one(found: list[Job]) -> Response:
    if not found:
        raise not_found()
    return answers.written(render(found[0]))


def not_found() -> ProblemError:
    """There is no such job, or it is another key's: the answer is the same."""
    return ProblemError(NOT_FOUND, "No job of this API key has this id.")
