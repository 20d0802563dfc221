"""The outbox's backlog as metrics: gateway and relays show the same two series, so that either may be asked."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Gauge

from app import contract
from app.storage.outbox import Backlog

_PENDING = Gauge(contract.METRIC_OUTBOX_PENDING, "Messages that the broker has not confirmed.", ["queue"])
_AGE = Gauge(contract.METRIC_OUTBOX_AGE_SECONDS, "Age of the oldest unconfirmed message.", ["queue"])


def show(backlogs: Sequence[Backlog]) -> None:
    """Show what waits; a queue without a row has nothing waiting."""
    by_queue = {backlog.queue: backlog for backlog in backlogs}
    for queue in contract.queue_names():
        backlog = by_queue.get(queue)
        _PENDING.labels(queue).set(backlog.messages if backlog else 0)
        _AGE.labels(queue).set(backlog.oldest_age_seconds if backlog else 0.0)
