"""The parameters of `GET /v1/jobs`."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from app.gateway.parameters import LEFT_OUT, WHOLE_NUMBER, wrong
from app.storage.identifiers import created_at
from app.storage.job_state import JobState

#: Jobs on a page: unless the caller says otherwise, and at most.
LIMIT_DEFAULT, LIMIT_MAX = 50, 200

_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def _moment(text: str) -> datetime:
    # fromisoformat takes more forms than RFC 3339, which the OpenAPI document names.
    try:
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise wrong("must be a time in RFC 3339 form, such as 2026-11-29T12:00:00Z (in a query a + is written %2B)")


def to_cursor(job_id: UUID) -> str:
    """The cursor of the jobs that are older than this one."""
    return urlsafe_b64encode(job_id.bytes).rstrip(b"=").decode()


def _from_cursor(text: str) -> UUID:
    try:
        job_id = UUID(bytes=urlsafe_b64decode(text + "=="))
        created_at(job_id)
    except (ValueError, OverflowError, OSError):
        job_id = None
    # Several texts decode to the same bytes; only the one that to_cursor makes is taken.
    if job_id is None or to_cursor(job_id) != text:
        raise wrong("is not a cursor that this list has returned")
    return job_id


Moment = Annotated[datetime, BeforeValidator(_moment)]
Cursor = Annotated[UUID, BeforeValidator(_from_cursor), WithJsonSchema({"type": "string"})]


class JobQuery(BaseModel):
    """Which jobs, and how many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Annotated[
        str | None, Field(description="Jobs of this task, by the name that it is declared with."), LEFT_OUT
    ] = None
    state: Annotated[JobState | None, Field(description="Jobs that are in this state now."), LEFT_OUT] = None
    accepted_after: Annotated[Moment | None, Field(description="Jobs accepted at this time or later."), LEFT_OUT] = None
    accepted_before: Annotated[Moment | None, Field(description="Jobs accepted before this time."), LEFT_OUT] = None
    limit: Annotated[
        int,
        Field(ge=1, le=LIMIT_MAX, description=f"Jobs on a page, at most; {LIMIT_DEFAULT} unless it is said."),
        WHOLE_NUMBER,
    ] = LIMIT_DEFAULT
    cursor: Annotated[
        Cursor | None,
        Field(description="`next` of the page before; the other parameters stay as they were."),
        LEFT_OUT,
    ] = None
