"""What a relay counts."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from app import contract

PUBLISHED = Counter(contract.METRIC_RELAY_PUBLISHED.removesuffix("_total"), "Messages the broker confirmed", ["queue"])
REFUSED = Counter(
    contract.METRIC_RELAY_REFUSED.removesuffix("_total"), "Messages the broker did not take", ["queue", "reason"]
)
CONFIRM_SECONDS = Histogram(
    contract.METRIC_RELAY_CONFIRM_SECONDS,
    "From a batch's first publish to its last confirm",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)

# A series that is there from the start has a first step that an alert can see.
for _queue in contract.queue_names():
    PUBLISHED.labels(_queue)
    for _reason in ("unroutable", "nacked", "refused"):
        REFUSED.labels(_queue, _reason)
