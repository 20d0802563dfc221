"""Reads HorizontalPodAutoscalers and KEDA's ScaledObjects alike: which scales which."""

from __future__ import annotations

from collections.abc import Sequence

from infra.policy.manifests import at, kind, name, namespace, of_kind, whole
from infra.policy.model import Manifest

SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")


def target(scaler: Manifest) -> tuple[str, str, str]:
    """Namespace, kind and name of what it scales; a ScaledObject means a Deployment where it says no kind."""
    reference = at(scaler, "spec", "scaleTargetRef")
    return namespace(scaler), str(at(reference, "kind") or "Deployment"), str(at(reference, "name") or "")


def scalers_of(workload: Manifest, manifests: Sequence[Manifest]) -> list[Manifest]:
    """Everything that scales this workload."""
    wanted = (namespace(workload), kind(workload), name(workload))
    return [scaler for scaler in of_kind(manifests, *SCALERS) if target(scaler) == wanted]


def floor(scaler: Manifest) -> int:
    """The fewest replicas it leaves, with the defaults of its kind."""
    if kind(scaler) == "ScaledObject":
        return whole(at(scaler, "spec", "minReplicaCount")) or 0
    least = whole(at(scaler, "spec", "minReplicas"))
    return 1 if least is None else least


def least_replicas(workload: Manifest, manifests: Sequence[Manifest]) -> int:
    """How many pods there are when it is quiet: the scaler's floor, else `replicas`, else Kubernetes' default of 1."""
    if scalers := scalers_of(workload, manifests):
        return min(floor(scaler) for scaler in scalers)
    replicas = whole(at(workload, "spec", "replicas"))
    return 1 if replicas is None else replicas
