"""What a request may say: one event, or a list of them; turned into messages' arguments in one pass over the bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, cast

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, WithJsonSchema
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from app import contract
from app.gateway import payloads
from app.gateway.problems import INVALID, FieldError, ProblemError, pointer

TYPE_MAX_CHARS = 200
#: Years whose moments every time zone, Python and PostgreSQL can hold.
_YEAR_MIN, _YEAR_MAX = 2, 9998
_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
#: RFC 3339: date, time and offset. pydantic's own datetime would take Unix seconds in quotes as well.
_MOMENT = r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$"


class Event(TypedDict):
    """Something that happened; `event_id` is the producer's, and stored once however often it is sent."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)  # type: ignore[misc]  # pydantic's way to configure

    event_id: Annotated[
        str, StringConstraints(pattern=_UUID), WithJsonSchema({"type": "string", "format": "uuid", "pattern": _UUID})
    ]
    type: Annotated[
        str,
        StringConstraints(min_length=1, max_length=TYPE_MAX_CHARS, pattern=r"^[^\x00]*$"),
        WithJsonSchema({"type": "string", "minLength": 1, "maxLength": TYPE_MAX_CHARS, "pattern": r"^[^\u0000]*$"}),
    ]
    occurred_at: Annotated[
        str,
        StringConstraints(pattern=_MOMENT, max_length=64),
        WithJsonSchema({"type": "string", "format": "date-time"}),
    ]
    payload: dict[str, Any]


_ONE = TypeAdapter(Event)
_MANY = TypeAdapter(
    Annotated[list[Event], Field(min_length=1, max_length=contract.REQUEST_MAX_EVENTS, fail_fast=False)]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A valid request: its events as a message carries them, and each payload's size."""

    events: Sequence[dict[str, Any]]
    payload_bytes: Sequence[int]
    is_list: bool

    @property
    def kind(self) -> str:
        """`event` or `list`; a list that holds one event is still a list."""
        return "list" if self.is_list else "event"

    @property
    def queue(self) -> contract.QueueClass:
        """Where it goes: lists must not make single events wait."""
        return queue_of(is_list=self.is_list)


def queue_of(*, is_list: bool) -> contract.QueueClass:
    """Return the queue class of a request by its form alone, known from the first byte."""
    return contract.QueueClass.BULK if is_list else contract.QueueClass.INTERACTIVE


def looks_like_list(body: bytes) -> bool:
    """Whether the body's first character opens a list."""
    return body[:64].lstrip()[:1] == b"["


def parse(body: bytes, *, payload_max_bytes: int) -> Submission:
    """Validate a body.

    Raises:
        ProblemError: 422 with the path of each value that is wrong.
    """
    is_list = looks_like_list(body)
    try:
        parsed = _MANY.validate_json(body) if is_list else [_ONE.validate_json(body)]
    except ValidationError as error:
        raise ProblemError(INVALID, errors=_explain(error)) from None
    events = cast("list[dict[str, Any]]", parsed)
    sizes: list[int] = []
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, event in enumerate(events):
        path: tuple[str | int, ...] = (index,) if is_list else ()
        event_id = event["event_id"] = event["event_id"].lower()
        if event_id in seen:
            errors.append(FieldError(pointer=pointer((*path, "event_id")), detail="appears twice in this list"))
        seen.add(event_id)
        if (moment := _moment(event["occurred_at"])) is None:
            errors.append(FieldError(pointer=pointer((*path, "occurred_at")), detail="is not a moment that exists"))
        else:
            event["occurred_at"] = moment
        size, found = payloads.check(event["payload"], max_bytes=payload_max_bytes, path=(*path, "payload"))
        sizes.append(size)
        errors += found
    if errors:
        raise ProblemError(INVALID, errors=errors)
    return Submission(events=events, payload_bytes=sizes, is_list=is_list)


def _moment(text: str) -> str | None:
    plain = text.upper()  # RFC 3339 allows t and z
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        return None
    return plain if _YEAR_MIN <= moment.year <= _YEAR_MAX else None


def _explain(error: ValidationError) -> list[FieldError]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [FieldError(pointer=pointer(problem["loc"]), detail=problem["msg"]) for problem in found]


def json_schema() -> dict[str, Any]:
    """Return the schema of one event; what a payload may hold is the OpenAPI document's own component."""
    schema = _ONE.json_schema()
    schema["properties"]["payload"] = {"$ref": "#/components/schemas/PayloadObject"}
    return schema
