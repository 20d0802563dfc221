"""An archiver's metrics."""

from __future__ import annotations

from prometheus_client import Gauge

from app import contract

DEAD_LETTERS_OPEN = Gauge(contract.METRIC_DEAD_LETTERS_OPEN, "Dead letters neither replayed nor discarded", ["queue"])

for _queue in contract.queue_names():
    DEAD_LETTERS_OPEN.labels(_queue)
