"""The body of a request: one item of a task, or a list of them; read in one pass, one value at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from app import contract
from app.gateway import payloads
from app.gateway.acceptance import KEYS_SEPARATOR
from app.gateway.json_reader import NotJsonError, Reader, TooLongError
from app.gateway.pace import Pace
from app.gateway.payloads import Flaw, PayloadDecoder
from app.gateway.problems import FieldError, Findings, pointer
from app.kinds.items import ItemForm

#: It goes into an index and into message headers.
KEY_MAX_CHARS = 200

_START = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\n\r]*(.?)", re.DOTALL)
#: Stands for a member that goes on as text, while its model looks at the others: it is one, and it is short.
_SOME_TEXT = '"{}"'

#: To name each of thousands would take the memory that one request may not have (BR-03).
_ERRORS_TOLD = 100

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidItem:
    """An item that may be accepted."""

    key: str
    #: JSON of the members that the model has read; None where the item goes on as one text.
    members: bytes | None
    #: JSON as it was sent, by member. Bytes, because Python may need four times as many for the text.
    texts: Mapping[str, bytes]
    #: The value of the member `ordered_by`, if its task is in order.
    line: str | None = None
    #: What the message carries instead of an item that is too long for it (`app/kinds/claims.py`).
    reference: Mapping[str, Any] | None = None

    @property
    def size_bytes(self) -> int:
        """The length of the item as it was sent."""
        return len(self.members or b"") + sum(map(len, self.texts.values()))

    @property
    def wire(self) -> str | dict[str, Any]:
        """The item as a message carries it."""
        if self.reference is not None:
            return dict(self.reference)
        if self.members is None:
            return self.texts[""].decode()
        members: dict[str, Any] = json.loads(self.members)
        return members | {name: text.decode() for name, text in self.texts.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A valid request. A list that holds one item is still a list."""

    items: Sequence[ValidItem]
    is_list: bool


def looks_like_list(body: bytes) -> bool:
    """Whether the body's first character opens a list."""
    return _START.match(body)[1] == b"["  # type: ignore[index]  # it matches anything


async def parse(body: bytes, form: ItemForm, *, payload_max_bytes: int) -> Submission:
    """Validate a body, in slices: a list of 32 MiB takes seconds.

    Raises:
        ProblemError: 422 with the path of each value that is wrong, up to a few.
    """
    findings = Findings()
    is_list = looks_like_list(body)
    parser = _Parser(body, form, payload_max_bytes=payload_max_bytes, findings=findings)
    try:
        items = await parser.many() if is_list else [parser.one(())]
        parser.reader.end()
    except NotJsonError as error:
        findings.add(FieldError(pointer="#", detail=f"Invalid JSON: {error}"))
    except TooLongError:
        findings.add(FieldError(pointer="#", detail="has a name that is longer than a payload may be"))
    findings.refuse()
    return Submission(items=[item for item in items if item is not None], is_list=is_list)


class _Parser:
    """Reads items; what is wrong goes to the findings, and the item with it comes back as None."""

    def __init__(self, body: bytes, form: ItemForm, *, payload_max_bytes: int, findings: Findings) -> None:
        # The model turns numbers into floats, except in members that stay text: only those keep all their digits.
        self._decoder = PayloadDecoder(floats=not form.texts)
        self._floats = PayloadDecoder(floats=True)
        self.reader = Reader(body, value_max_bytes=payload_max_bytes, decoder=self._decoder)
        self._form = form
        self._texts = form.texts
        self._names = frozenset(field.alias or name for name, field in form.model.model_fields.items())
        self._payload_max_bytes = payload_max_bytes
        self._findings = findings
        self._keys: set[str] = set()

    async def many(self) -> list[ValidItem | None]:
        pace = Pace()
        items: list[ValidItem | None] = []
        for _ in self.reader.each("[]"):
            if len(items) == contract.REQUEST_MAX_ITEMS:
                self._wrong((), f"List should have at most {contract.REQUEST_MAX_ITEMS} items")
                self._findings.refuse()
            items.append(self.one((len(items),)))
            await pace.breathe()
        if not items:
            self._wrong((), "List should have at least 1 item")
        return items

    def one(self, path: Path) -> ValidItem | None:
        if self.reader.peek() != "{":
            self._value(path)
            self._wrong(path, "Input should be an object")
            return None
        return self._in_parts(path) if self._texts else self._whole(path)

    def _whole(self, path: Path) -> ValidItem | None:
        """An item that goes on as one text."""
        value, text = self._value(path)
        encoded = text.encode()
        if not self._storable(value, text, len(encoded), path):
            return None
        item = self._validated(encoded, path)
        return None if item is None else self._keyed(item, None, {"": encoded}, path)

    def _in_parts(self, path: Path) -> ValidItem | None:
        """An item of which some members go on as text."""
        members: dict[str, str] = {}
        texts: dict[str, bytes] = {}
        storable = True
        for _ in self.reader.each("{}"):
            name = self.reader.name()
            here = (*path, name)
            value, text = self._value(here)
            if name not in self._names:
                self._wrong(here, "Extra inputs are not permitted")
            elif name in members:
                self._wrong(here, "appears twice in this object")
            elif (mark := self._texts.get(name)) is not None:
                members[name], texts[name] = _SOME_TEXT, text.encode()
                if mark.only_objects and not isinstance(value, dict | Flaw):
                    self._wrong(here, "Input should be an object")
                else:
                    self._storable(value, text, len(texts[name]), here)
            else:
                members[name] = text
                storable &= self._plain(value, text, here)
        if not storable:
            return None
        # The names are the model's own: none needs an escape.
        item = self._validated("{" + ",".join([f'"{name}":{text}' for name, text in members.items()]) + "}", path)
        if item is None:
            return None
        # As they were sent: the worker runs the validators again, on the same text.
        others = ",".join([f'"{name}":{text}' for name, text in members.items() if name not in texts])
        return self._keyed(item, f"{{{others}}}".encode(), texts, path)

    def _validated(self, text: str | bytes, path: Path) -> BaseModel | None:
        try:
            return self._form.model.model_validate_json(text)
        except ValidationError as error:
            if error.error_count() > _ERRORS_TOLD:
                self._wrong(path, f"has {error.error_count()} errors; each would be told if they were fewer")
                return None
            for problem in error.errors(include_url=False, include_context=False, include_input=False):
                self._wrong((*path, *problem["loc"]), problem["msg"].removeprefix("Value error, "))
            return None

    def _keyed(
        self, item: BaseModel, members: bytes | None, texts: Mapping[str, bytes], path: Path
    ) -> ValidItem | None:
        key = self._form.key_of(item)
        if key is None:
            return ValidItem(key=str(uuid4()), members=members, texts=texts, line=self._form.line_of(item))
        where = (*path, str(self._form.key))
        if key in self._keys:
            self._wrong(where, "appears twice in this list")
        self._keys.add(key)
        if not 0 < len(key) <= KEY_MAX_CHARS or KEYS_SEPARATOR in key or payloads.text_problem(key):
            self._wrong(where, f"is no key: 1 to {KEY_MAX_CHARS} characters, neither U+0000 nor U+001F")
            return None
        return ValidItem(key=key, members=members, texts=texts, line=self._form.line_of(item))

    def _value(self, path: Path) -> tuple[Any, str]:
        """Read a value. One that is too long or too deep is the last that is looked at: nobody knows where it ends."""
        try:
            return self.reader.value()
        except TooLongError:
            self._wrong(path, f"is longer than the {self._payload_max_bytes} bytes that are allowed")
        except RecursionError:
            self._wrong(path, payloads.TOO_DEEP)
        self._findings.refuse()
        raise AssertionError  # pragma: no cover - it refused

    def _storable(self, value: Any, text: str, size_bytes: int, path: Path, *, flawed: bool = False) -> bool:
        """Whether PostgreSQL can hold what goes on as text."""
        if size_bytes > self._payload_max_bytes:
            self._wrong(path, f"is {size_bytes} bytes long; at most {self._payload_max_bytes} are allowed")
            return False
        flaws = list(payloads.flaws(value, text, flawed=flawed or self._decoder.flawed, path=path))
        for error in flaws:
            self._findings.add(error)
        return not flaws

    def _plain(self, value: Any, text: str, path: Path) -> bool:
        """The same of a member that the model reads: mostly a short text."""
        if isinstance(value, str) and value.isascii() and "\x00" not in value:
            return True
        if not isinstance(value, str):
            value, _ = self._floats.raw_decode(text)
        return self._storable(value, text, len(text), path, flawed=self._floats.flawed)

    def _wrong(self, path: Path, detail: str) -> None:
        self._findings.add(FieldError(pointer=pointer(path), detail=detail))
