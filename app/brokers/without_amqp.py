"""The common part of SQS and Redis as brokers: they know queues and nothing of who sends or consumes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from app import contract
from app.brokers.interface import Feature
from app.contract import Queue
from app.errors import NotOnThisBrokerError
from app.settings import Settings

#: Why a message that killed its workers is dead, as RabbitMQ says it.
DELIVERY_LIMIT = "delivery_limit"


class EveryQueue:
    """The broker does not say who consumes a queue, so that a canary goes to each of them."""

    answered = True

    def among(self, queues: Iterable[str]) -> frozenset[str]:
        """All of them."""
        return frozenset(queues)


class Answers:
    """When the broker last answered this worker."""

    at = float("-inf")

    def came(self) -> None:
        """Just now."""
        self.at = time.monotonic()


def visibility_seconds(queue: Queue, settings: Settings) -> int:
    """How long a message that a worker holds is hidden from others: longer than the worker may hold it.

    A child works on its prefetched messages one after the other, each up to the hard limit.
    """
    limit = queue.pool.get("timeLimitSeconds", settings.task_time_limit_seconds)
    prefetched = queue.pool.get("prefetchMultiplier", settings.worker_prefetch_multiplier)
    return int(limit) * int(prefetched) + contract.VISIBILITY_MARGIN_SECONDS


def refuse_outsiders(cannot: Mapping[Feature, str]) -> None:
    """See that nobody was promised what the broker cannot do.

    Raises:
        NotOnThisBrokerError: queues.toml names producers or a foreign application.
    """
    for queue in contract.queues():
        if queue.producers:
            raise NotOnThisBrokerError(f"[{queue.name}] producers: {cannot[Feature.PRODUCERS]}")
        if queue.foreign:
            raise NotOnThisBrokerError(f"[{queue.name}.pool]: {cannot[Feature.FOREIGN_APPLICATIONS]}")
