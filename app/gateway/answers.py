"""Models of the gateway's answers, from which FastAPI makes the OpenAPI document.

The routes write their answers without these models, for speed. The suite `schemathesis` checks answers against them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, WithJsonSchema
from starlette.responses import Response

from app import contract
from app.gateway.job_query import LIMIT_MAX
from app.gateway.problems import ERRORS_MAX
from app.storage.job_state import JobState


def written(body: Mapping[str, Any], *, status_code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The answer of a route, which does not pass through the models."""
    return Response(orjson.dumps(body), status_code=status_code, media_type="application/json", headers=headers)


class Answer(BaseModel):
    """Refuses members that it does not name, so a schema lists all of them."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Accepted(Answer):
    """A request that was committed."""

    job_id: UUID
    status_url: str
    accepted: Annotated[int, Field(ge=1, le=contract.REQUEST_MAX_ITEMS)]


class Upload(Answer):
    """Content in the object store."""

    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Its SHA-256."""
    bytes: NonNegativeInt
    stored: bool
    """Whether this request stored it."""


class Counts(Answer):
    """How the items of a job ended. Each is counted once; `docs/jobs.md` says what the words mean."""

    items: NonNegativeInt
    executed: NonNegativeInt
    dead_lettered: NonNegativeInt
    discarded: NonNegativeInt
    revoked: NonNegativeInt
    expired: NonNegativeInt
    waiting: NonNegativeInt


class LastError(Answer):
    """The newest failure of an item of the job."""

    reason: str
    exception_type: str | None
    message: str | None
    at: datetime


class Job(Answer):
    """What became of a request."""

    job_id: UUID
    task: str
    queue: Annotated[str, WithJsonSchema({"enum": list(contract.queue_names())})]
    state: JobState
    counts: Counts
    attempts: NonNegativeInt
    failed_attempts: NonNegativeInt
    accepted_at: datetime
    revoked_at: datetime | None
    first_executed_at: datetime | None
    finished_at: datetime | None
    last_error: LastError | None


class Jobs(Answer):
    """A page of jobs, newest first."""

    jobs: Annotated[list[Job], Field(max_length=LIMIT_MAX)]
    next: str | None
    """The `cursor` of the next page; null on the last page."""


class ItemFailure(Answer):
    """Why an item failed for good."""

    reason: str | None
    """The reason of its dead letter; null as long as the item has none."""
    exception_type: str | None
    message: str | None


class ItemResult(Answer):
    """What an item returned; `docs/jobs.md` says what the states mean."""

    key: str
    state: Literal["pending", "succeeded", "failed", "revoked", "expired", "gone", "too_large"]
    value: Any
    error: ItemFailure | None


class Results(Answer):
    """A page of results, in the order of the items."""

    results: list[ItemResult]
    next: NonNegativeInt | None
    """The `after` of the next page; null on the last page."""


class BatchChunks(Answer):
    """The chunks of a batch. A dead letter of the batch must be replayed, or the batch never finishes."""

    added: NonNegativeInt
    done: NonNegativeInt
    dead_lettered: NonNegativeInt
    """Messages of the batch in the dead letters: chunks and uploads that are not done, or the aggregate."""
    revoked: NonNegativeInt
    """Chunks that were dropped because the batch was revoked before they began."""


class BatchRows(Answer):
    """The rows of a batch."""

    added: NonNegativeInt
    done: NonNegativeInt


class BatchUploads(Answer):
    """The uploads whose rows a batch takes. A refused one has added nothing."""

    waiting: NonNegativeInt
    added: NonNegativeInt
    refused: NonNegativeInt


class Batch(Answer):
    """What became of a batch of rows."""

    batch_id: UUID
    status_url: str
    task: str
    state: Literal["open", "sealed", "revoking", "revoked", "finished"]
    chunks: BatchChunks
    uploads: BatchUploads
    rows: BatchRows
    opened_at: datetime
    sealed_at: datetime | None
    revoked_at: datetime | None
    finished_at: datetime | None
    aggregate: dict[str, Any] | None
    """What the batch's task made of all rows; null until it is finished."""


class Chunk(Answer):
    """Rows that were committed."""

    batch_id: UUID
    chunk: NonNegativeInt
    rows: Annotated[int, Field(ge=1, le=contract.REQUEST_MAX_ITEMS)]


class WrongLine(Answer):
    """The first line of an upload that is no row."""

    line: Annotated[int, Field(ge=1)]
    detail: str


class BatchUpload(Answer):
    """An upload whose rows a batch takes. All of its rows are added at once, or none if a line is wrong."""

    batch_id: UUID
    upload: str
    state: Literal["waiting", "added", "refused"]
    chunks: NonNegativeInt
    rows: NonNegativeInt
    error: WrongLine | None


class Status(Answer):
    """The process works."""

    status: Literal["ok"]


class ProblemItem(Answer):
    """A wrong value, and why it is wrong."""

    pointer: str
    """A JSON pointer into the body, or the name of a header or parameter."""
    detail: str


class Problem(Answer):
    """RFC 9457. An empty member is left out."""

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str = ""
    instance: str = ""
    errors: Annotated[list[ProblemItem], Field(max_length=ERRORS_MAX)] = []
