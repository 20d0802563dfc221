"""Beat's metrics."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Counter

from app import contract

SLOTS = Counter(contract.METRIC_SLOTS.removesuffix("_total"), "Slots of schedules", ["schedule", "outcome"])

_OUTCOMES = ("sent", "skipped", "missed", "failed")


def initialise(schedules: Iterable[str]) -> None:
    """Begin every series at 0: `rate` cannot see the first failure of a series whose first sample is 1."""
    for schedule in schedules:
        for outcome in _OUTCOMES:
            SLOTS.labels(schedule, outcome)
