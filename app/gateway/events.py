"""What a request may say: one event, or a list of them; turned into messages' arguments in one pass over the bytes.

A message carries an event's payload as the JSON text that was sent. As objects it did not survive: kombu takes
`{"__type__": …, "__value__": …}` for a Python value of its own, and numbers passed through a float (BR-01, BR-35).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError, WithJsonSchema
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from app import contract
from app.gateway import payloads
from app.gateway.json_reader import NotJsonError, Reader, TooLongError
from app.gateway.pace import Pace
from app.gateway.payloads import Flaw, PayloadDecoder
from app.gateway.problems import FieldError, Findings, pointer

TYPE_MAX_CHARS = 200
#: Years whose moments every time zone, Python and PostgreSQL can hold.
_YEAR_MIN, _YEAR_MAX = 2, 9998
#: PostgreSQL refuses an offset from here on; Python takes up to 24 hours.
_OFFSET_LIMIT = timedelta(hours=16)
_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
#: RFC 3339: date, time and offset. pydantic's own datetime would take Unix seconds in quotes as well.
_MOMENT = r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$"


_START = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\n\r]*(.?)", re.DOTALL)


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


_EVENT = TypeAdapter(Event)
_NAMES = frozenset(Event.__annotations__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidEvent:
    """An event that may be accepted."""

    event_id: str
    type: str
    occurred_at: str
    #: JSON as it was sent. Bytes, because Python may need four times as many for the text.
    payload: bytes

    def as_message(self) -> dict[str, str]:
        """The event as a message carries it."""
        return {
            "event_id": self.event_id,
            "type": self.type,
            "occurred_at": self.occurred_at,
            "payload": self.payload.decode(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A valid request."""

    events: Sequence[ValidEvent]
    is_list: bool

    @property
    def kind(self) -> str:
        """`event` or `list`; a list that holds one event is still a list."""
        return "list" if self.is_list else "event"

    @property
    def queue(self) -> str:
        """Where it goes: lists must not make single events wait."""
        return queue_of(is_list=self.is_list)


def queue_of(*, is_list: bool) -> str:
    """The queue of a request, by its form alone, which the first character tells."""
    return contract.EVENT_LIST_QUEUE if is_list else contract.EVENT_QUEUE


def looks_like_list(body: bytes) -> bool:
    """Whether the body's first character opens a list."""
    return _START.match(body)[1] == b"["  # type: ignore[index]  # it matches anything


async def parse(body: bytes, *, payload_max_bytes: int) -> Submission:
    """Validate a body, in slices: a list of 32 MiB takes seconds.

    Raises:
        ProblemError: 422 with the path of each value that is wrong, up to a few.
    """
    findings = Findings()
    is_list = looks_like_list(body)
    parser = _Parser(body, payload_max_bytes=payload_max_bytes, findings=findings)
    try:
        events = await parser.many() if is_list else [parser.one(())]
        parser.reader.end()
    except NotJsonError as error:
        findings.add(FieldError(pointer="#", detail=f"Invalid JSON: {error}"))
    except TooLongError:
        findings.add(FieldError(pointer="#", detail="has a name that is longer than a payload may be"))
    findings.refuse()
    return Submission(events=[event for event in events if event is not None], is_list=is_list)


class _Parser:
    """Reads events; what is wrong goes to the findings, and the event with it comes back as None."""

    def __init__(self, body: bytes, *, payload_max_bytes: int, findings: Findings) -> None:
        self._decoder = PayloadDecoder()
        self.reader = Reader(body, value_max_bytes=payload_max_bytes, decoder=self._decoder)
        self._payload_max_bytes = payload_max_bytes
        self._findings = findings
        self._ids: set[str] = set()

    async def many(self) -> list[ValidEvent | None]:
        pace = Pace()
        events: list[ValidEvent | None] = []
        for _ in self.reader.each("[]"):
            if len(events) == contract.REQUEST_MAX_EVENTS:
                self._wrong((), f"List should have at most {contract.REQUEST_MAX_EVENTS} items")
                self._findings.refuse()
            events.append(self.one((len(events),)))
            await pace.breathe()
        if not events:
            self._wrong((), "List should have at least 1 item")
        return events

    def one(self, path: tuple[str | int, ...]) -> ValidEvent | None:
        if self.reader.peek() != "{":
            self._value(path)
            self._wrong(path, "Input should be an object")
            return None
        fields: dict[str, Any] = {}
        payload = b""
        for _ in self.reader.each("{}"):
            name = self.reader.name()
            value, text = self._value((*path, name))
            if name not in _NAMES:
                self._wrong((*path, name), "Extra inputs are not permitted")
            elif name in fields:
                self._wrong((*path, name), "appears twice in this object")
            elif name == "payload":
                payload = text.encode()
                self._check_payload(value, text, len(payload), (*path, name))
                fields[name] = {}
            else:
                fields[name] = value
        return self._event(fields, payload, path)

    def _event(self, fields: dict[str, Any], payload: bytes, path: tuple[str | int, ...]) -> ValidEvent | None:
        try:
            event = _EVENT.validate_python(fields)
        except ValidationError as error:
            for problem in error.errors(include_url=False, include_context=False, include_input=False):
                self._wrong((*path, *problem["loc"]), problem["msg"])
            return None
        event_id = event["event_id"].lower()
        if event_id in self._ids:
            self._wrong((*path, "event_id"), "appears twice in this list")
        self._ids.add(event_id)
        if (moment := _moment(event["occurred_at"])) is None:
            self._wrong((*path, "occurred_at"), "is not a moment that exists, with an offset of less than 16 hours")
            return None
        return ValidEvent(event_id=event_id, type=event["type"], occurred_at=moment, payload=payload)

    def _value(self, path: tuple[str | int, ...]) -> tuple[Any, str]:
        """Read a value. One that is too long or too deep is the last that is looked at: nobody knows where it ends."""
        try:
            return self.reader.value()
        except TooLongError:
            self._wrong(path, f"is longer than the {self._payload_max_bytes} bytes that are allowed")
        except RecursionError:
            self._wrong(path, payloads.TOO_DEEP)
        self._findings.refuse()
        raise AssertionError  # pragma: no cover - it refused

    def _check_payload(self, value: Any, text: str, size_bytes: int, path: tuple[str | int, ...]) -> None:
        if size_bytes > self._payload_max_bytes:
            self._wrong(path, f"is {size_bytes} bytes long; at most {self._payload_max_bytes} are allowed")
        elif not isinstance(value, dict | Flaw):
            self._wrong(path, "Input should be an object")
        else:
            for error in payloads.flaws(value, text, flawed=self._decoder.flawed, path=path):
                self._findings.add(error)

    def _wrong(self, path: tuple[str | int, ...], detail: str) -> None:
        self._findings.add(FieldError(pointer=pointer(path), detail=detail))


def _moment(text: str) -> str | None:
    plain = text.upper()  # RFC 3339 allows t and z
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        return None
    offset = abs(moment.utcoffset() or timedelta())
    return plain if _YEAR_MIN <= moment.year <= _YEAR_MAX and offset < _OFFSET_LIMIT else None


def json_schema() -> dict[str, Any]:
    """Return the schema of one event; what a payload may hold is the OpenAPI document's own component."""
    schema = _EVENT.json_schema()
    schema["properties"]["payload"] = {"$ref": "#/components/schemas/PayloadObject"}
    return schema
