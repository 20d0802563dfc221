"""Which payloads PostgreSQL's jsonb can hold, and hold as they were sent.

A value that could not be stored would be accepted first and dead-letter later, so it is refused at the door. The reader
leaves a `Flaw` where a value is wrong; only a payload with a flaw, or with a suspicious text, is walked for the paths.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import Any

from app.gateway.problems import FieldError, pointer

#: Levels of objects and lists; deeper ones are refused by one or another parser on the way.
DEPTH_MAX = 100
#: jsonb writes a number out in full, so five characters such as 1e999 would become a thousand for every reader.
NUMBER_CHARACTERS_MAX = 400
EXPONENT_MIN, EXPONENT_MAX = -324, 308
TOO_DEEP = f"is nested deeper than {DEPTH_MAX} levels"
#: What PostgreSQL may refuse in a text; both look the same behind an escaped backslash.
_SUSPICIOUS = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_NO_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[^\[\]{}"]+')
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


@dataclass(frozen=True, slots=True)
class Flaw:
    """Stands for a value that cannot be stored."""

    detail: str


_TWICE = Flaw("has two members of the same name")
_NUMBER = Flaw(
    f"is not a number of at most {NUMBER_CHARACTERS_MAX} characters with an exponent from {EXPONENT_MIN} to "
    f"{EXPONENT_MAX}: send it as a string"
)
_DIGITS = Flaw("has more digits than a floating-point number keeps: send it as a string")


class PayloadDecoder(json.JSONDecoder):
    """Checks while it reads. Numbers become 0: what is checked is whether their digits can arrive."""

    def __init__(self, *, floats: bool = False) -> None:
        """`floats`: somebody will make floats of the numbers, so they must not have more digits than those keep."""
        super().__init__(
            object_pairs_hook=self._object,
            parse_int=self._whole,
            parse_float=self._fraction,
            parse_constant=lambda _: self._flawed(_NUMBER),
        )
        self.flawed = False
        self._floats = floats

    def _object(self, members: list[tuple[str, Any]]) -> Any:
        made = dict(members)
        return made if len(made) == len(members) else self._flawed(_TWICE)

    def _whole(self, text: str) -> Any:
        return 0 if len(text) <= NUMBER_CHARACTERS_MAX else self._flawed(_NUMBER)

    def _fraction(self, text: str) -> Any:
        if len(text) > NUMBER_CHARACTERS_MAX:
            return self._flawed(_NUMBER)
        exponent = int(text.lower().partition("e")[2] or 0)
        if not EXPONENT_MIN <= exponent <= EXPONENT_MAX:
            return self._flawed(_NUMBER)
        return self._flawed(_DIGITS) if self._floats and Decimal(repr(float(text))) != Decimal(text) else 0

    def _flawed(self, flaw: Flaw) -> Flaw:
        self.flawed = True
        return flaw


def flaws(value: Any, text: str, *, flawed: bool, path: tuple[str | int, ...]) -> Iterator[FieldError]:
    """Yield an error for each part of a payload that cannot be stored; `value` was read from `text`."""
    if text.count("[") + text.count("{") > DEPTH_MAX and _depth(text) > DEPTH_MAX:
        yield FieldError(pointer=pointer(path), detail=TOO_DEEP)
    elif flawed or _SUSPICIOUS.search(text):
        yield from _walk(value, path)


def _depth(text: str) -> int:
    """How deep it is nested: of what was read already, and so without a walk, which takes six times as long."""
    return max(accumulate(map(_STEPS.__getitem__, _NO_BRACKETS.sub("", text))))


def _walk(top: Any, path: tuple[str | int, ...]) -> Iterator[FieldError]:
    waiting = [(top, path)]
    while waiting:
        value, here = waiting.pop()
        if isinstance(value, Flaw):
            yield FieldError(pointer=pointer(here), detail=value.detail)
        elif isinstance(value, str):
            if (detail := text_problem(value)) is not None:
                yield FieldError(pointer=pointer(here), detail=detail)
        elif isinstance(value, list):
            waiting += [(item, (*here, index)) for index, item in enumerate(value) if isinstance(item, _WALKED)]
        else:
            for name, item in value.items():
                if (detail := text_problem(name)) is not None:
                    yield FieldError(pointer=pointer(here), detail=f"has a name that {detail}")
                elif isinstance(item, _WALKED):
                    waiting.append((item, (*here, name)))


_WALKED = (str, list, dict, Flaw)


def text_problem(value: str) -> str | None:
    """Return why a text cannot be stored, or None."""
    if "\x00" in value:
        return "contains U+0000, which PostgreSQL cannot store"
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return "contains half of a surrogate pair"
    return None
