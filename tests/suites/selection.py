"""Which proofs CI runs when there is no time for all: a pure choice, the same for the same commit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from tests.suites.table import Suite


def in_order(suites: Sequence[Suite], *, changed: Iterable[str], commit: str) -> list[Suite]:
    """What guards a changed path, then the others, drawn anew for each commit, and at the end what always runs.

    At the end, because on a new machine its programs are built meanwhile.
    """
    paths = tuple(changed)

    def place(suite: Suite) -> tuple[int, str]:
        guards = any(path.startswith(suite.guards) for path in paths)
        drawn = hashlib.sha256(f"{commit} {suite.name}".encode()).hexdigest()
        return (2 if suite.always else 0 if guards else 1, drawn)

    return sorted(suites, key=place)


def fits(suite: Suite, suites: Sequence[Suite], *, elapsed_seconds: float, budget_seconds: float) -> bool:
    """Whether a suite that begins now leaves, as a rule, enough time for those that always run."""
    reserved = sum(each.seconds for each in suites if each.always)
    return suite.always or elapsed_seconds + suite.seconds + reserved <= budget_seconds
