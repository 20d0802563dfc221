"""What Kubernetes says of Millrace's own workloads: who is ready, who runs where, what a roll-out still lacks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from kubernetes import client

from chaos.kubernetes_target import APP, DATA, KubernetesTarget

NAMESPACES = (APP, DATA)
_RABBITMQ = "app.kubernetes.io/name=rabbitmq"
_RESTARTED = "kubectl.kubernetes.io/restartedAt"


def unready(target: KubernetesTarget) -> tuple[str, ...]:
    """Deployments and StatefulSets that lack a ready pod of their newest description."""
    return tuple(_unready(client.AppsV1Api(target.api)))


def _unready(apps: client.AppsV1Api) -> Iterator[str]:
    for namespace in NAMESPACES:
        for kind, found in (
            ("deployment", apps.list_namespaced_deployment(namespace).items),
            ("statefulset", apps.list_namespaced_stateful_set(namespace).items),
        ):
            for each in found:
                status, wanted = each.status, each.spec.replicas
                counts = (status.ready_replicas or 0, status.updated_replicas or 0)
                if status.observed_generation != each.metadata.generation or min(counts) < wanted:
                    yield f"{kind}/{each.metadata.name} ({min(counts)} of {wanted})"


def pods_on(target: KubernetesTarget, node: str) -> list[Any]:
    """Millrace's pods there that have not ended, one-shot Jobs left out: those end by themselves."""
    return [
        pod
        for namespace in NAMESPACES
        for pod in target.core.list_namespaced_pod(namespace, field_selector=f"spec.nodeName={node}").items
        if pod.status.phase in {"Pending", "Running"}
        and not any(owner.kind == "Job" for owner in pod.metadata.owner_references or [])
    ]


def ready_brokers(target: KubernetesTarget) -> int:
    """RabbitMQ pods that are ready."""
    pods = target.core.list_namespaced_pod(DATA, label_selector=_RABBITMQ).items
    return sum(
        any(state.type == "Ready" and state.status == "True" for state in pod.status.conditions or []) for pod in pods
    )


def restart(target: KubernetesTarget, kind: str, name: str) -> None:
    """As `kubectl rollout restart`: pods of a new template, one after the other, as the workload's strategy says."""
    body = {"spec": {"template": {"metadata": {"annotations": {_RESTARTED: datetime.now(UTC).isoformat()}}}}}
    apps = client.AppsV1Api(target.api)
    if kind == "statefulset":
        apps.patch_namespaced_stateful_set(name, DATA, body)
    else:
        apps.patch_namespaced_deployment(name, APP, body)


def deployments(target: KubernetesTarget) -> tuple[str, ...]:
    """The application's."""
    return tuple(each.metadata.name for each in client.AppsV1Api(target.api).list_namespaced_deployment(APP).items)
