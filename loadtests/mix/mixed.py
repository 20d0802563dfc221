"""What became of the patterns of a load."""

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
    """All that were judged."""

    judged: Sequence[Judged] = ()
    #: Pattern to why it could not be sent; such a one is not judged.
    unsent: Sequence[tuple[str, str]] = ()
