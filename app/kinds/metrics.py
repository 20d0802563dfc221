"""A worker's metrics: outcomes, run time, delay of the start, effects. Summed over children by multiprocess mode."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from app import contract
from app.settings import load

_SECONDS = contract.START_DELAY_EDGES_SECONDS

OUTCOMES = Counter(
    contract.METRIC_TASK_OUTCOMES.removesuffix("_total"), "Ended task runs", ["queue", "task", "outcome"]
)
RUN_SECONDS = Histogram(contract.METRIC_TASK_SECONDS, "Run time of tasks", ["queue", "task"], buckets=_SECONDS)
START_DELAY_SECONDS = Histogram(
    contract.METRIC_TASK_START_DELAY_SECONDS, "From a message's first publish to its start", ["queue"], buckets=_SECONDS
)
#: Apart from the work's: these come at an even pace also when no work does.
CANARY_START_DELAY_SECONDS = Histogram(
    contract.METRIC_CANARY_START_DELAY_SECONDS, "From a canary's publish to its start", ["queue"], buckets=_SECONDS
)
EFFECTS = Counter(contract.METRIC_EFFECTS.removesuffix("_total"), "Items executed, or met again", ["outcome"])

_OUTCOMES = ("succeeded", "failed", "retried", "rejected", "worker_lost", "parked", "held", "revoked", "expired")


def count_outcome(task: str, outcome: str) -> None:
    """One run of a task ended so."""
    OUTCOMES.labels(load().worker_queue, task, outcome).inc()


def count_effects(*, stored: int, duplicate: int) -> None:
    """So many items were executed, so many had been before."""
    EFFECTS.labels("stored").inc(stored)
    EFFECTS.labels("duplicate").inc(duplicate)


def initialise(tasks: list[str]) -> None:
    """Begin every series at 0: the first failure of a series that is born at 1 is invisible to `rate`."""
    queue = load().worker_queue
    for task in tasks:
        for outcome in _OUTCOMES:
            OUTCOMES.labels(queue, task, outcome)
    START_DELAY_SECONDS.labels(queue)
    CANARY_START_DELAY_SECONDS.labels(queue)
    for outcome in ("stored", "duplicate"):
        EFFECTS.labels(outcome)
