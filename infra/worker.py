"""The settings of a worker's pool, the same in every kind of deployment."""

from __future__ import annotations

from infra import thresholds
from infra.settings.workloads import Pool


def environment(pool: Pool) -> dict[str, str]:
    """The variables that a pool's settings become."""
    return {
        "MILLRACE_WORKER_QUEUE": pool.queue,
        "MILLRACE_WORKER_CONCURRENCY": str(pool.concurrency),
        "MILLRACE_WORKER_PREFETCH_MULTIPLIER": str(pool.prefetch_multiplier),
        "MILLRACE_WORKER_MAX_MEMORY_PER_CHILD_KIB": str(thresholds.child_memory_kib(pool)),
        "MILLRACE_TASK_SOFT_TIME_LIMIT_SECONDS": str(pool.soft_time_limit_seconds),
        "MILLRACE_TASK_TIME_LIMIT_SECONDS": str(pool.time_limit_seconds),
    }
