"""What beat counts."""

from __future__ import annotations

from prometheus_client import Counter

from app import contract

CANARIES = Counter(contract.METRIC_CANARIES.removesuffix("_total"), "Canaries that were due", ["queue", "outcome"])

for _queue in contract.queue_names():
    for _outcome in ("published", "skipped", "failed"):
        CANARIES.labels(_queue, _outcome)
