"""What an archiver counts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from app import contract

DEAD_LETTERS = Counter(
    contract.METRIC_DEAD_LETTERS.removesuffix("_total"), "Dead letters taken into the archive", ["queue", "reason"]
)
DEAD_LETTERS_OPEN = Gauge(contract.METRIC_DEAD_LETTERS_OPEN, "Dead letters neither replayed nor discarded", ["queue"])

for _queue in contract.queue_names():
    DEAD_LETTERS_OPEN.labels(_queue)
    # A series that is there from the start has a first step that an alert can see.
    DEAD_LETTERS.labels(_queue, "failed")
