"""The results of the patterns of a load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One promise of a pattern, and what was found of it."""

    pattern: str
    promise: str
    expected: str
    found: str
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """The judgements of all patterns."""

    judged: Sequence[Judged] = ()
    #: Patterns that could not be sent, each with the reason; they are not judged.
    unsent: Sequence[tuple[str, str]] = ()
