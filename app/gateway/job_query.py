"""The parameters of `GET /v1/jobs`: one model checks them and describes them in the OpenAPI document."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.datastructures import QueryParams

from app.gateway.problems import ERRORS_MAX, INVALID, FieldError, ProblemError
from app.storage.identifiers import created_at
from app.storage.job_state import JobState

#: Jobs on a page: unless the caller says otherwise, and at most.
LIMIT_DEFAULT, LIMIT_MAX = 50, 200

#: Of the name of an unknown parameter, as far as the answer repeats it.
_NAME_CHARACTERS = 100
_DATE_TIME = WithJsonSchema({"type": "string", "format": "date-time"})
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)


def _wrong(detail: str) -> PydanticCustomError:
    return PydanticCustomError("parameter", "{detail}", {"detail": detail})


def _moment(text: str) -> datetime:
    # fromisoformat takes more forms than RFC 3339, which the OpenAPI document names.
    try:
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _wrong("must be a time in RFC 3339 form, such as 2026-11-29T12:00:00Z (in a query a + is written %2B)")


def _limit(text: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(text) or int(text) > LIMIT_MAX:
        raise _wrong(f"must be a whole number from 1 to {LIMIT_MAX}")
    return int(text)


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
        raise _wrong("is not a cursor that this list has returned")
    return job_id


def _state(text: str) -> JobState:
    if text not in set(JobState):
        raise _wrong(f"must be one of {', '.join(JobState)}")
    return JobState(text)


class JobQuery(BaseModel):
    """Which jobs, and how many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Annotated[
        str | None,
        Field(description="Jobs of this task, by the name that it is declared with."),
        WithJsonSchema({"type": "string"}),
    ] = None
    state: Annotated[
        JobState | None,
        Field(description="Jobs that are in this state now."),
        BeforeValidator(_state),
        WithJsonSchema({"type": "string", "enum": [state.value for state in JobState]}),
    ] = None
    accepted_after: Annotated[
        datetime | None, Field(description="Jobs accepted at this time or later."), BeforeValidator(_moment), _DATE_TIME
    ] = None
    accepted_before: Annotated[
        datetime | None, Field(description="Jobs accepted before this time."), BeforeValidator(_moment), _DATE_TIME
    ] = None
    limit: Annotated[
        int,
        Field(description=f"Jobs on a page, at most; {LIMIT_DEFAULT} unless it is said."),
        BeforeValidator(_limit),
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": LIMIT_MAX}),
    ] = LIMIT_DEFAULT
    cursor: Annotated[
        UUID | None,
        Field(description="`next` of the page before; the other parameters stay as they were."),
        BeforeValidator(_from_cursor),
        WithJsonSchema({"type": "string"}),
    ] = None

    @classmethod
    def of(cls, given: QueryParams, *, tasks: Collection[str]) -> Self:
        """Read a request's parameters; `tasks` are those that are declared.

        Raises:
            ProblemError: 422, with the name of each parameter that is wrong.
        """
        names = [name for name, _ in given.multi_items()]
        errors = [
            FieldError(pointer=name[:_NAME_CHARACTERS], detail="is given twice")
            for name in sorted(set(names))
            if names.count(name) > 1
        ]
        try:
            query = cls.model_validate(dict(given))
        except ValidationError as error:
            errors += [_told(one["loc"], one["type"], one["msg"]) for one in error.errors(include_url=False)]
        else:
            if query.task is not None and query.task not in tasks:
                errors.append(FieldError(pointer="task", detail="is not a declared task"))
        if errors:
            raise ProblemError(INVALID, errors=errors[:ERRORS_MAX])
        return query


def parameters() -> list[dict[str, Any]]:
    """What the OpenAPI document says of them."""
    described: dict[str, dict[str, Any]] = JobQuery.model_json_schema()["properties"]
    shown = ("type", "enum", "format", "minimum", "maximum")
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": schema["description"],
            "schema": {word: schema[word] for word in shown if word in schema},
        }
        for name, schema in described.items()
    ]


def _told(where: tuple[int | str, ...], kind: str, message: str) -> FieldError:
    detail = f"is no parameter; there are {', '.join(JobQuery.model_fields)}" if kind == "extra_forbidden" else message
    return FieldError(pointer=str(where[0])[:_NAME_CHARACTERS], detail=detail)
