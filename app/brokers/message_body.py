"""A task message's body, read as the worker would read it: `[args, kwargs, embed]` in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from kombu import serialization

from app import contract
from app.storage.failures import storable

#: What workers accept (`accept_content` of the Celery app).
ACCEPTED = frozenset({"application/json"})
#: An item of a batch is an object of these two: what its sender calls it, and what it is.
ITEM_KEY, ITEM = "key", "item"


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
        'such as [[[{"key": "…", "item": "{…}"}]], {}, {}]',
        exception_type="ValueError",
        decoded=True,
    )


def keys_of(headers: Mapping[str, Any], call: Call | None) -> list[str]:
    """The keys of the items that a message carries: in its header for one, beside each item for a batch."""
    key = headers.get(contract.MESSAGE_KEY)
    if isinstance(key, str):
        return [storable(key)]
    arguments = [*call.args, *call.kwargs.values()] if call is not None else []
    batch = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], list) else []
    found = (item.get(ITEM_KEY) for item in batch if isinstance(item, dict) and item.keys() == {ITEM_KEY, ITEM})
    return [storable(key) for key in found if isinstance(key, str)]
