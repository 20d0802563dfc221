"""Which proofs CI runs when there is no time for all: a pure choice, the same for the same commit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from tests.suites.table import Suite


def in_order(suites: Sequence[Suite], *, changed: Iterable[str], commit: str) -> list[Suite]:
    """What runs always, then what guards a changed path, then the others, drawn anew for each commit."""
    paths = tuple(changed)

    def place(suite: Suite) -> tuple[int, str]:
        guards = any(path.startswith(suite.guards) for path in paths)
        drawn = hashlib.sha256(f"{commit} {suite.name}".encode()).hexdigest()
        return (0 if suite.always else 1 if guards else 2, drawn)

    return sorted(suites, key=place)


def chosen(ordered: Iterable[Suite], *, budget_seconds: float) -> list[Suite]:
    """Of suites in that order those that fit, in the order in which they run.

    Those on the cluster come last, one after the other: it takes processor from whatever runs beside it, and on a new
    machine its programs are built meanwhile. What always runs comes at the very end, because it takes the cluster down.
    """
    fitting: list[Suite] = []
    for suite in ordered:
        if suite.not_in_ci:
            continue
        if suite.always or sum(each.seconds for each in fitting) + suite.seconds <= budget_seconds:
            fitting.append(suite)
    return sorted(fitting, key=lambda suite: (suite.always, suite.on_cluster))


def still_fits(suite: Suite, suites: Iterable[Suite], *, elapsed_seconds: float, budget_seconds: float) -> bool:
    """Whether a suite that begins now leaves, as a rule, enough time for those that always run: others may be late."""
    reserved = sum(each.seconds for each in suites if each.always)
    return suite.always or elapsed_seconds + suite.seconds + reserved <= budget_seconds
