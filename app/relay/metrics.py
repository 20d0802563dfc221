"""A relay's metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prometheus_client import Counter, Gauge, Histogram

from app import contract
from app.storage.pauses import Pause

PUBLISHED = Counter(contract.METRIC_RELAY_PUBLISHED.removesuffix("_total"), "Messages the broker confirmed", ["queue"])
REFUSED = Counter(
    contract.METRIC_RELAY_REFUSED.removesuffix("_total"), "Messages the broker did not take", ["queue", "reason"]
)
CONFIRM_SECONDS = Histogram(
    contract.METRIC_RELAY_CONFIRM_SECONDS,
    "From a batch's first publish to its last confirm",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
BROKER_MESSAGES = Gauge(contract.METRIC_BROKER_MESSAGES, "Messages in the broker", ["queue", "state"])
PAUSE_AGE = Gauge(contract.METRIC_PAUSE_AGE_SECONDS, "Seconds since this queue or task was paused", ["kind", "name"])
HELD = Gauge(contract.METRIC_HELD, "Messages that wait for the end of this pause", ["kind", "name"])
PUT_BACK = Gauge(contract.METRIC_PUT_BACK, "Messages that were put back within the last day: theirs had vanished")

# A series that is there from the start has a first step that an alert can see.
for _queue in contract.queue_names():
    PUBLISHED.labels(_queue)
    for _reason in ("unroutable", "nacked", "refused"):
        REFUSED.labels(_queue, _reason)


def show_pauses(in_force: Sequence[Pause]) -> None:
    """Show the pauses in force; one that is over has no series."""
    PAUSE_AGE.clear()
    HELD.clear()
    for pause in in_force:
        PAUSE_AGE.labels(pause.kind.value, pause.name).set(pause.age_seconds)
        HELD.labels(pause.kind.value, pause.name).set(pause.held)


def show_depths(found: Mapping[str, Mapping[str, int]]) -> None:
    """Show what the broker holds; nothing while it does not say."""
    BROKER_MESSAGES.clear()
    for queue, states in found.items():
        for state, messages in states.items():
            BROKER_MESSAGES.labels(queue, state).set(messages)
