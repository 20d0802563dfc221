"""Evictions: a drained node must neither wait for ever nor take a service down."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from infra import naming
from infra.policy.manifests import at, mapping, namespace, of_kind, resource, selects, whole
from infra.policy.model import Context, Finding, Manifest, StackRule
from infra.policy.pods import pod
from infra.policy.scalers import least_replicas, scalers_of

WORKLOADS = ("Deployment", "StatefulSet")


def _budgets_of(workload: Manifest, manifests: Sequence[Manifest]) -> list[Manifest]:
    found = pod(workload)
    return [
        budget
        for budget in of_kind(manifests, "PodDisruptionBudget")
        if found and namespace(budget) == namespace(workload) and selects(at(budget, "spec", "selector"), found.labels)
    ]


def _one_budget(manifests: Sequence[Manifest], _: Context) -> Iterator[Finding]:
    for workload in of_kind(manifests, *WORKLOADS):
        budgets = [resource(budget) for budget in _budgets_of(workload, manifests)]
        several = least_replicas(workload, manifests) > 1 or scalers_of(workload, manifests)
        if several and not budgets:
            advice = "add a PodDisruptionBudget that selects its pods"
            yield Finding(workload, "PodDisruptionBudgets that select it", None, advice)
        if len(budgets) > 1:
            advice = "leave one; with two Kubernetes refuses every eviction"
            yield Finding(workload, "PodDisruptionBudgets that select it", ", ".join(budgets), advice)


def _evictions(budget: Manifest, replicas: int) -> int:
    """How many pods may go at once; Kubernetes rounds percentages up on both fields."""
    spare, kept = at(budget, "spec", "maxUnavailable"), at(budget, "spec", "minAvailable")
    if spare is not None:
        return _count(spare, replicas)
    return replicas - _count(kept, replicas) if kept is not None else 0


def _count(value: Any, replicas: int) -> int:
    percent = str(value).removesuffix("%")
    if isinstance(value, str) and percent.isdecimal():
        return math.ceil(int(percent) * replicas / 100)
    return whole(value) or 0


def _says(budget: Manifest) -> str:
    spec = mapping(budget.get("spec"))
    return ", ".join(f"{key} {spec[key]}" for key in ("maxUnavailable", "minAvailable") if key in spec) or "empty"


def _evictable(manifests: Sequence[Manifest], _: Context) -> Iterator[Finding]:
    owned: set[int] = set()
    for workload in of_kind(manifests, *WORKLOADS):
        for budget in _budgets_of(workload, manifests):
            owned.add(id(budget))
            replicas = least_replicas(workload, manifests)
            if _evictions(budget, replicas) < 1:
                value = f"{_says(budget)}, with {replicas} replica(s)"
                yield Finding(budget, "spec", value, "allow at least one eviction: maxUnavailable 1")
    for budget in of_kind(manifests, "PodDisruptionBudget"):
        if id(budget) not in owned:
            yield Finding(budget, "spec.selector", at(budget, "spec", "selector"), "select the pods of a workload")


def _majority(manifests: Sequence[Manifest], _: Context) -> Iterator[Finding]:
    for broker in of_kind(manifests, "StatefulSet"):
        found, replicas = pod(broker), least_replicas(broker, manifests)
        if not found or found.component != naming.RABBITMQ or replicas < 2:
            continue
        for budget in _budgets_of(broker, manifests):
            if _evictions(budget, replicas) > (replicas - 1) // 2:
                value = f"{_says(budget)}, of {replicas} nodes"
                yield Finding(budget, "spec", value, "set maxUnavailable 1: a majority must stay, or queues stop")


RULES = (
    StackRule(
        name="disruption-budget",
        description="Every workload with several replicas or a scaler has exactly one PodDisruptionBudget.",
        reason="Without one a drain takes all pods at once; with two every eviction is refused and no drain ends.",
        check=_one_budget,
    ),
    StackRule(
        name="disruption-possible",
        description="Every PodDisruptionBudget selects a workload's pods and allows at least one eviction.",
        reason="A budget that allows none stops the node's upgrade, at night, until somebody deletes the budget.",
        check=_evictable,
    ),
    StackRule(
        name="disruption-quorum",
        description="RabbitMQ's PodDisruptionBudget keeps a majority of its nodes.",
        reason="With a minority left quorum queues take no messages.",
        check=_majority,
    ),
)
