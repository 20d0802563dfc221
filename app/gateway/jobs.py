"""`GET /v1/jobs/{job_id}`: what became of a request, for the API key that sent it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from fastapi import APIRouter
from psycopg.rows import DictRow
from starlette.requests import Request
from starlette.responses import Response

from app.contract import Scope
from app.gateway import openapi
from app.gateway.connections import Connection
from app.gateway.parts import parts_of
from app.gateway.problems import NOT_FOUND, ProblemError
from app.storage.identifiers import created_at, first_id_at
from app.storage.job_state import DEAD_LETTERS_OF_JOB, JOB, DeadLetterOfJob, Failure, JobRecords, JobStatus, derive

router = APIRouter()

PATH = "/v1/jobs/{job_id}"
#: A job's messages get their ids within this time after the job's own.
_MESSAGES_WITHIN = timedelta(seconds=5)


@router.get(PATH, response_class=Response, **openapi.JOB)
async def job(request: Request) -> Response:
    """State, counts, attempts, times and the last error of a job; only jobs of the caller's own key are shown."""
    parts = parts_of(request)
    key = await parts.authenticator.require(request, Scope.JOBS_READ)
    await parts.limiter.check(key.api_key_id, key.requests_per_second)
    job_id = _job_id(request.path_params["job_id"])

    async def read(connection: Connection) -> tuple[DictRow, list[DictRow]] | None:
        parameters = {
            "job_id": job_id,
            "api_key_id": key.api_key_id,
            "messages_before": first_id_at(created_at(job_id) + _MESSAGES_WITHIN),
        }
        row = await (await connection.execute(JOB, parameters)).fetchone()
        if row is None:
            return None
        letters = await connection.execute(DEAD_LETTERS_OF_JOB, parameters)
        return row, await letters.fetchall()

    found = await parts.database.run(read)
    if found is None:
        raise ProblemError(NOT_FOUND, "No job of this API key has this id.")
    row, letters = found
    status = derive(_records(row, letters))
    return Response(orjson.dumps(render(job_id, row, status)), media_type="application/json")


def render(job_id: UUID, row: Any, status: JobStatus) -> dict[str, Any]:
    """The answer's body."""
    counts = ("items", "executed", "dead_lettered", "discarded", "waiting")
    return {
        "job_id": str(job_id),
        "task": row["task_name"],
        "queue": row["queue"],
        "state": status.state.value,
        "counts": {name: getattr(status, name) for name in counts},
        "attempts": status.attempts,
        "failed_attempts": status.failed_attempts,
        "accepted_at": row["accepted_at"],
        "first_executed_at": status.first_executed_at,
        "finished_at": status.finished_at,
        "last_error": asdict(status.last_error) if status.last_error else None,
    }


def _job_id(given: str) -> UUID:
    try:
        job_id = UUID(given)
        created_at(job_id)
    except (ValueError, OverflowError, OSError):
        raise ProblemError(NOT_FOUND, "No job of this API key has this id.") from None
    return job_id


def _records(row: DictRow, letters: list[DictRow]) -> JobRecords:
    last = None
    if row["failed_at"] is not None:
        last = Failure(
            reason=row["reason"],
            exception_type=row["exception_type"],
            message=row["exception_message"],
            at=row["failed_at"],
        )
    return JobRecords(
        keys=row["keys"],
        accepted_at=row["accepted_at"],
        unpublished_messages=row["unpublished_messages"],
        executed_keys=row["executed_keys"],
        executed_attempts=row["executed_attempts"],
        first_executed_at=row["first_executed_at"],
        last_executed_at=row["last_executed_at"],
        failed_attempts=row["failed_attempts"],
        last_attempt=row["last_attempt"],
        last_failure=last,
        dead_letters=[_letter(letter) for letter in letters],
    )


def _letter(row: DictRow) -> DeadLetterOfJob:
    failure = Failure(
        reason=row["reason"],
        exception_type=row["exception_type"],
        message=row["exception_message"],
        at=row["died_at"],
    )
    return DeadLetterOfJob(state=row["state"], keys=row["keys"], attempts=row["attempts"], failure=failure)
