"""Reads a JSON body one value at a time, so that it is never a tree of objects as a whole.

The standard library reads a value and says where it ends: its text goes on untouched. Only a window of the body is
text at a time, because one emoji makes Python spend four bytes on each character.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

#: Excel, PowerShell and .NET write it. It carries nothing.
_BYTE_ORDER_MARK = codecs.BOM_UTF8
_SPACE = re.compile(r"[ \t\n\r]*")
#: An error so close to the window's end comes from the cut: the longest token that is no string or number, twice an
#: escape of half a surrogate pair.
_CUT_CHARACTERS = 12


class NotJsonError(ValueError):
    """The body is not JSON; the message says why and where."""


class TooLongError(ValueError):
    """A value does not fit into the window."""


class Reader:
    """Where we are in a body."""

    def __init__(self, body: bytes, *, value_max_bytes: int, decoder: json.JSONDecoder) -> None:
        """A value of `value_max_bytes` is read; of a longer one only so much is looked at."""
        self._body = body
        self._reach = value_max_bytes + 1
        self._decoder = decoder
        self._text = ""
        self._at = 0
        self._bytes_taken = len(_BYTE_ORDER_MARK) if body.startswith(_BYTE_ORDER_MARK) else 0
        self._characters_left_behind = 0

    def peek(self) -> str:
        """The next character that is no white space; nothing at the end."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]  # it matches nothing as well
            if self._at < len(self._text) or self._whole:
                return self._text[self._at : self._at + 1]
            self._fill()

    def take(self, allowed: str) -> str:
        """Step over one of these characters.

        Raises:
            NotJsonError: another one comes.
        """
        found = self.peek()
        if not found or found not in allowed:
            raise self._not_json(f"expected {' or '.join(allowed)}", self._at)
        self._at += 1
        return found

    def each(self, brackets: str) -> Iterator[None]:
        """Step through the elements of a list or the members of an object; the caller reads each of them."""
        closing = brackets[1]
        self.take(brackets[0])
        if self.peek() == closing:
            self.take(closing)
            return
        while True:
            yield
            if self.take("," + closing) == closing:
                return

    def name(self) -> str:
        """Read the name of a member and the colon behind it."""
        if self.peek() != '"':
            raise self._not_json("expected a name", self._at)
        name, _ = self.value()
        self.take(":")
        return str(name)

    def value(self) -> tuple[Any, str]:
        """Read a value; returns it and its text.

        Raises:
            NotJsonError: it is none.
            TooLongError: it is longer than the window.
            RecursionError: it is nested too deep.
        """
        self.peek()
        self._fill()
        start = self._at
        try:
            value, self._at = self._decoder.raw_decode(self._text, start)
        except json.JSONDecodeError as error:
            raise self._refusal(error) from None
        return value, self._text[start : self._at]

    def end(self) -> None:
        """Nothing follows.

        Raises:
            NotJsonError: something does.
        """
        if self.peek():
            raise self._not_json("expected the end", self._at)

    @property
    def _whole(self) -> bool:
        return self._bytes_taken >= len(self._body)

    def _fill(self) -> None:
        if self._whole or len(self._text) - self._at >= self._reach:
            return
        until = self._bytes_taken + 2 * self._reach
        try:
            text, count = codecs.utf_8_decode(self._body[self._bytes_taken : until], "strict", until >= len(self._body))
        except UnicodeDecodeError as error:
            raise NotJsonError(f"not UTF-8 at byte {self._bytes_taken + error.start}") from None
        self._bytes_taken += count
        self._characters_left_behind += self._at
        self._text = self._text[self._at :] + text
        self._at = 0

    def _refusal(self, error: json.JSONDecodeError) -> ValueError:
        cut = error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - _CUT_CHARACTERS
        if cut and not self._whole:
            return TooLongError()
        return self._not_json(error.msg, error.pos)

    def _not_json(self, why: str, at: int) -> NotJsonError:
        return NotJsonError(f"{why} at character {self._characters_left_behind + at}")
