"""When a pool grows: thresholds derived from what a pod can do, not guessed."""

from __future__ import annotations

import math
from typing import Any

from infra.settings.limits import child_bytes
from infra.settings.scaling import KedaQueue
from infra.settings.workloads import Pool

#: Scale-in looks back so long at least: a queue that is empty for a moment is no reason to stop a worker.
SCALE_IN_WINDOW_SECONDS = 300
#: Pods come at once and go one by one: a pod that goes takes its tasks' time to go.
SCALE_UP_PERIOD_SECONDS = 30
SCALE_DOWN_PERIOD_SECONDS = 60


def messages_a_pod(pool: Pool, scaling: KedaQueue) -> int:
    """The queue length, ready and unacknowledged, that one pod answers for.

    A pod with `concurrency` children that need `mean` seconds a task empties `concurrency * wait / mean` messages in
    the time that a message may wait; what its children hold is counted too, because KEDA counts unacknowledged ones.
    """
    return max(1, math.ceil(pool.concurrency * scaling.target_wait_seconds / pool.mean_task_seconds))


def child_memory_kib(pool: Pool) -> int:
    """At what size a child is replaced, so that this comes before the kernel kills the pod."""
    return child_bytes(pool) // 1024


def behavior(pool_grace_seconds: int) -> dict[str, Any]:
    """The `behavior` of an HPA, KEDA's included: out at once, in slowly."""
    return {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [
                {"type": "Percent", "value": 100, "periodSeconds": SCALE_UP_PERIOD_SECONDS},
                {"type": "Pods", "value": 2, "periodSeconds": SCALE_UP_PERIOD_SECONDS},
            ],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": max(SCALE_IN_WINDOW_SECONDS, pool_grace_seconds),
            "selectPolicy": "Min",
            "policies": [
                {"type": "Percent", "value": 25, "periodSeconds": SCALE_DOWN_PERIOD_SECONDS},
                {"type": "Pods", "value": 1, "periodSeconds": SCALE_DOWN_PERIOD_SECONDS},
            ],
        },
    }
