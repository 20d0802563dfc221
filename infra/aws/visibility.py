"""How long SQS hides a message that a worker holds: longer than the worker may hold it, or a second one starts it."""

from __future__ import annotations

from app import contract
from infra.settings.workloads import Pool

#: SQS' own limit.
MAX_VISIBILITY_SECONDS = 12 * 60 * 60


def visibility_seconds(pool: Pool) -> int:
    """A child works on its prefetched messages one after the other, each up to the hard limit; and a late answer."""
    return int(pool.time_limit_seconds * pool.prefetch_multiplier + contract.VISIBILITY_MARGIN_SECONDS)


def queue_visibility_seconds(queue: str, pools: tuple[Pool, ...]) -> int:
    """Of a queue: as its slowest pool needs it."""
    return max(visibility_seconds(pool) for pool in pools if pool.queue == queue)
