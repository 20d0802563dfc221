"""The common part of our own StatefulSets: the volume, the services, and the fields that can never be changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
from pulumi_kubernetes.apps import v1 as apps
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta

from infra import naming
from infra.components.component import Part
from infra.volumes import Volume
from infra.workloads import metadata, workload_metadata

DATA_VOLUME = "data"
REVISIONS_KEPT = 3
#: From a pod's start until it is ready, with its volume and what it has to recover.
POD_SECONDS = 600


def roll_out(replicas: int, grace_period_seconds: int) -> pulumi.CustomTimeouts:
    """How long Pulumi waits: one pod after the other, each with the whole time that it has to stop."""
    changed = replicas * (grace_period_seconds + POD_SECONDS)
    # All stop at once.
    removed = grace_period_seconds + POD_SECONDS
    return pulumi.CustomTimeouts(create=f"{changed}s", update=f"{changed}s", delete=f"{removed}s")


def data_at(path: str) -> Volume:
    """Where a container sees the pod's own volume; the claim is the StatefulSet's."""
    return Volume(name=DATA_VOLUME, path=path, source=None)


def stateful_set(
    parent: Part,
    component: str,
    *,
    replicas: int,
    headless_service: str,
    pod: core.PodSpecArgs,
    storage: str,
    config_hash: pulumi.Input[str],
    after: Sequence[pulumi.Resource],
    annotations: Mapping[str, str] | None = None,
    reviewed: Mapping[str, str] | None = None,
    hooks: pulumi.ResourceHookBinding | None = None,
) -> apps.StatefulSet:
    """A StatefulSet whose claims outlive it.

    Name, serviceName, selector, podManagementPolicy, revisionHistoryLimit and the claims' template can never change:
    Pulumi would replace the set, and a test pins them.
    """
    labels = naming.labels(component, parent.ground.environment)
    return apps.StatefulSet(
        component,
        metadata=workload_metadata(parent.ground, component, reviewed=reviewed, more=annotations),
        spec=apps.StatefulSetSpecArgs(
            replicas=replicas,
            service_name=headless_service,
            # All at once: after a full stop the first waits for its peers, who would wait for the first.
            pod_management_policy="Parallel",
            revision_history_limit=REVISIONS_KEPT,
            selector=meta.LabelSelectorArgs(match_labels=naming.selector(component)),
            update_strategy=apps.StatefulSetUpdateStrategyArgs(
                type="RollingUpdate", rolling_update=apps.RollingUpdateStatefulSetStrategyArgs(partition=0)
            ),
            persistent_volume_claim_retention_policy=apps.StatefulSetPersistentVolumeClaimRetentionPolicyArgs(
                when_deleted="Retain", when_scaled="Retain"
            ),
            template=core.PodTemplateSpecArgs(
                metadata=meta.ObjectMetaArgs(labels=labels, annotations={naming.ANNOTATION_CONFIG_HASH: config_hash}),
                spec=pod,
            ),
            volume_claim_templates=[
                core.PersistentVolumeClaimArgs(
                    metadata=meta.ObjectMetaArgs(name=DATA_VOLUME, labels=naming.selector(component)),
                    spec=core.PersistentVolumeClaimSpecArgs(
                        access_modes=["ReadWriteOnce"],
                        storage_class_name=parent.ground.storage_class,
                        resources=core.VolumeResourceRequirementsArgs(requests={"storage": storage}),
                    ),
                )
            ],
        ),
        opts=parent.keeper(
            after=after,
            custom_timeouts=roll_out(replicas, int(str(pod.termination_grace_period_seconds))),
            hooks=hooks,
        ),
    )


def service(parent: Part, component: str, ports: Mapping[str, int]) -> core.Service:
    """The service of a component's ready pods, for its clients."""
    return core.Service(
        component,
        metadata=metadata(parent.ground, component),
        spec=core.ServiceSpecArgs(type="ClusterIP", selector=naming.selector(component), ports=_ports(ports)),
        opts=parent.child(),
    )


def headless_service(parent: Part, component: str, name: str, ports: Mapping[str, int]) -> core.Service:
    """A name for each pod, also before it is ready: peers must find each other to become so."""
    return core.Service(
        name,
        metadata=metadata(parent.ground, component, name),
        spec=core.ServiceSpecArgs(
            type="ClusterIP",
            cluster_ip="None",
            publish_not_ready_addresses=True,
            selector=naming.selector(component),
            ports=_ports(ports),
        ),
        opts=parent.child(),
    )


def _ports(ports: Mapping[str, int]) -> list[core.ServicePortArgs]:
    return [
        core.ServicePortArgs(name=name, port=port, target_port=port, protocol="TCP") for name, port in ports.items()
    ]
