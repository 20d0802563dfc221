"""What a task message's body says, read as the worker would read it: `[args, kwargs, embed]` in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from kombu import serialization

from app import contract
from app.storage.identifiers import uuid_or_none

#: What workers accept (`accept_content` of the Celery app).
ACCEPTED = frozenset({"application/json"})


class UnreadableBodyError(ValueError):
    """A worker cannot read this body; `exception_type` is what it would have raised."""

    def __init__(self, message: str, *, exception_type: str, decoded: bool) -> None:
        """`decoded`: it is what its content type says, but not a task's body."""
        super().__init__(message)
        self.exception_type = exception_type
        self.decoded = decoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The body of a Celery message, protocol 2."""

    args: list[Any]
    kwargs: dict[str, Any]
    embed: dict[str, Any]

    @property
    def in_chord(self) -> bool:
        """Whether a chord counts this task's result: a replay would be counted a second time."""
        return bool(self.embed.get("chord"))


def read_call(body: bytes, *, content_type: str | None, content_encoding: str | None) -> Call:
    """Decode a body.

    Raises:
        UnreadableBodyError: it is not what a worker accepts; the message says why.
    """
    try:
        value = serialization.loads(body, content_type or "", content_encoding or "", accept=ACCEPTED)
    except (
        Exception
    ) as error:  # whatever a decoder raises over these bytes: DecodeError, ContentDisallowed, LookupError
        raise UnreadableBodyError(str(error), exception_type=type(error).__name__, decoded=False) from error
    return _call(value)


def read_edited(body: bytes) -> Call:
    """Check a body that an operator wrote.

    Raises:
        UnreadableBodyError: it is not JSON, or not `[args, kwargs, embed]`.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UnreadableBodyError(
            f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})",
            exception_type=type(error).__name__,
            decoded=False,
        ) from error
    return _call(value)


def _call(value: Any) -> Call:
    match value:
        case [list() as args, dict() as kwargs, dict() | None as embed]:
            return Call(args=args, kwargs=kwargs, embed=embed or {})
    raise UnreadableBodyError(
        "not the body of a task, which is [args, kwargs, embed]: a list, an object and an object, "
        'such as [[{"event_id": "…"}], {}, {}]',
        exception_type="ValueError",
        decoded=True,
    )


def event_ids_of(task_name: str | None, call: Call | None) -> list[UUID]:
    """The events that a message carries, as far as it can be read; what has no id is left out."""
    if call is None:
        return []
    match task_name:
        case contract.TASK_INGEST_EVENT:
            carried = [_argument(call, 0, "event")]
        case contract.TASK_INGEST_CHUNK:
            chunk = _argument(call, 0, "chunk")
            carried = chunk if isinstance(chunk, list) else []
        case contract.TASK_DRILL:
            carried = [_argument(call, 2, "event")]
        case _:
            carried = []
    found = (uuid_or_none(event.get("event_id")) for event in carried if isinstance(event, dict))
    return [identifier for identifier in found if identifier is not None]


def _argument(call: Call, position: int, name: str) -> Any:
    return call.args[position] if len(call.args) > position else call.kwargs.get(name)
