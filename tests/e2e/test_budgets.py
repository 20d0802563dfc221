"""Disruption budgets say no: who has lost one pod to an eviction loses no second one before it is well again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubernetes import client

from chaos.drain import HEAL_SECONDS, evict
from chaos.kubernetes_target import KubernetesTarget
from chaos.waiting import wait_until
from chaos.workloads import NAMESPACES, unready

#: With one pod there is nothing between all and none: its budget lets it go, or no node could ever be emptied.
SEVERAL = 2


def test_a_second_eviction_is_refused(kubernetes: KubernetesTarget, say: Callable[[str], None]) -> None:
    """Of every workload of which one pod may go. The second is asked for as a dry run, judged like any other eviction.

    A pool that was scaled out may lose half of itself at once (ADR 0017), and is left out.
    """
    workloads = {name: pods for name, pods in _pods_by_budget(kubernetes).items() if len(pods) >= SEVERAL}
    assert {"rabbitmq", "pgbouncer", "gateway", "relay"} <= workloads.keys()
    gone = []
    try:
        for name, (first, second, *_) in workloads.items():
            for pod in (first, second):
                assert evict(kubernetes, pod, dry_run=True), f"{name} is well, and its budget lets nobody go"
            assert evict(kubernetes, first)
            gone.append(first)
            assert not evict(kubernetes, second, dry_run=True), f"the budget of {name} would let a second pod go"
    finally:
        healed = wait_until(lambda: _replaced(kubernetes, gone), HEAL_SECONDS, every_seconds=1.0)
    assert healed, f"not well again: {', '.join(unready(kubernetes))}"
    say(f"budgets: of {len(workloads)} workloads one pod was let go, a second refused: {', '.join(sorted(workloads))}")


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
        if budget.status.disruptions_allowed == 1
    }


def _selector(budget: Any) -> str:
    labels: dict[str, str] = budget.spec.selector.match_labels
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _replaced(target: KubernetesTarget, gone: list[Any]) -> bool:
    there = {pod.metadata.uid for name in NAMESPACES for pod in target.core.list_namespaced_pod(name).items}
    return not any(metadata.uid in there for metadata in gone) and not unready(target)
