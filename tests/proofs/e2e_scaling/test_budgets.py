"""Disruption budgets say no: who has lost what it may lose to evictions loses no more before it is well again."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from kubernetes import client

from chaos.drain import HEAL_SECONDS, evict
from chaos.kubernetes_target import KubernetesTarget
from chaos.waiting import wait_until
from chaos.workloads import NAMESPACES, unready

#: With one pod there is nothing between all and none: its budget lets it go, or no node could ever be emptied.
SEVERAL = 2
WORKER_POOL = "worker-"


def test_no_more_go_than_a_budget_allows(kubernetes: KubernetesTarget, say: Callable[[str], None]) -> None:
    """Of every workload with several pods: one, of a worker pool half (ADR 0017), may go, and then no other.

    Who stays is asked for as a dry run, which budgets judge like any other eviction.
    """
    workloads = {name: pods for name, pods in _pods_by_budget(kubernetes).items() if len(pods) >= SEVERAL}
    assert {"rabbitmq", "pgbouncer", "gateway", "relay"} <= workloads.keys()
    gone = []
    try:
        for name, pods in workloads.items():
            allowed = math.ceil(len(pods) / 2) if name.startswith(WORKER_POOL) else 1
            for pod in pods:
                assert evict(kubernetes, pod, dry_run=True), f"{name} is well, and its budget lets nobody go"
            for pod in pods[:allowed]:
                assert evict(kubernetes, pod), f"the budget of {name} lets fewer than {allowed} of {len(pods)} pods go"
                gone.append(pod)
            assert not evict(kubernetes, pods[allowed], dry_run=True), f"the budget of {name} would let one more go"
    finally:
        healed = wait_until(lambda: not _left(kubernetes, gone), HEAL_SECONDS, every_seconds=1.0)
    assert healed, f"not well again after {HEAL_SECONDS:g} s: {', '.join(_left(kubernetes, gone))}"
    say(f"budgets: {len(gone)} pods of {len(workloads)} workloads let go, the next refused: {', '.join(workloads)}")


def _pods_by_budget(target: KubernetesTarget) -> dict[str, list[Any]]:
    budgets = client.PolicyV1Api(target.api)
    return {
        budget.metadata.name: [
            pod.metadata
            for pod in target.core.list_namespaced_pod(namespace, label_selector=_selector(budget)).items
            if pod.status.phase == "Running" and pod.metadata.deletion_timestamp is None
        ]
        for namespace in NAMESPACES
        for budget in budgets.list_namespaced_pod_disruption_budget(namespace).items
    }


def _selector(budget: Any) -> str:
    labels: dict[str, str] = budget.spec.selector.match_labels
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _left(target: KubernetesTarget, gone: list[Any]) -> list[str]:
    """Pods that should be gone, and workloads that lack one."""
    there = {pod.metadata.uid for name in NAMESPACES for pod in target.core.list_namespaced_pod(name).items}
    return [*(metadata.name for metadata in gone if metadata.uid in there), *unready(target)]
