"""The scaler of a Deployment: an HPA by CPU, or KEDA by the queue. Never both; nothing else sets the number of pods."""

from __future__ import annotations

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.autoscaling import v2 as autoscaling

from infra import naming, thresholds
from infra.components.component import Part
from infra.endpoints import QueueTrigger, Watched
from infra.settings.scaling import Fixed, HpaCpu, KedaQueue
from infra.settings.workloads import Pool
from infra.workloads import metadata


def cpu_scaler(
    parent: Part, component: str, scaling: HpaCpu, grace_period_seconds: int, target: pulumi.Resource
) -> None:
    """An HPA on the Deployment of the same name, by CPU in percent of what a pod requests."""
    autoscaling.HorizontalPodAutoscaler(
        component,
        metadata=metadata(parent.ground, component),
        spec=autoscaling.HorizontalPodAutoscalerSpecArgs(
            scale_target_ref=autoscaling.CrossVersionObjectReferenceArgs(
                api_version="apps/v1", kind="Deployment", name=component
            ),
            min_replicas=scaling.min_replicas,
            max_replicas=scaling.max_replicas,
            metrics=[
                autoscaling.MetricSpecArgs(
                    type="Resource",
                    resource=autoscaling.ResourceMetricSourceArgs(
                        name="cpu",
                        target=autoscaling.MetricTargetArgs(
                            type="Utilization", average_utilization=scaling.target_percent
                        ),
                    ),
                )
            ],
            behavior=_behavior(grace_period_seconds),
        ),
        opts=parent.child(after=[target]),
    )


def queue_scaler(parent: Part, pool: Pool, scaling: KedaQueue, watched: Watched, target: pulumi.Resource) -> None:
    """A ScaledObject: by messages ready and unacknowledged; when it cannot see the queue, the pool's usual number.

    After its Deployment: one without a target never becomes ready.
    """
    component = naming.worker(pool.name)
    CustomResource(
        component,
        api_version="keda.sh/v1alpha1",
        kind="ScaledObject",
        metadata=metadata(parent.ground, component),
        spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": component},
            "minReplicaCount": scaling.min_replicas,
            "maxReplicaCount": scaling.max_replicas,
            "pollingInterval": scaling.polling_seconds,
            "fallback": {
                "failureThreshold": scaling.fallback_failures,
                "replicas": scaling.fallback_replicas or scaling.min_replicas,
                # A queue out of sight is no reason to stop workers that are busy with it.
                "behavior": "currentReplicasIfHigher",
            },
            "advanced": {
                "horizontalPodAutoscalerConfig": {
                    "name": component,
                    "behavior": thresholds.behavior(pool.grace_period_seconds),
                },
                **({"scalingModifiers": dict(watched.modifiers)} if watched.modifiers else {}),
            },
            "triggers": [dict(trigger) for trigger in watched.triggers],
        },
        opts=parent.child(after=[target]),
    )


def pool_scaler(parent: Part, pool: Pool, queue_trigger: QueueTrigger | None, target: pulumi.Resource) -> None:
    """Make the scaler that the pool declares: an HPA, a ScaledObject, or none if the number is fixed."""
    match pool.scaling:
        case HpaCpu() as scaling:
            cpu_scaler(parent, naming.worker(pool.name), scaling, pool.grace_period_seconds, target)
        case KedaQueue() as scaling:
            if queue_trigger is None:
                raise ValueError(f"pool {pool.name} scales by its queue: say how KEDA looks at it (queue_trigger)")
            watched = queue_trigger(pool.queue, thresholds.messages_a_pod(pool, scaling))
            queue_scaler(parent, pool, scaling, watched, target)
        case Fixed():
            pass


def fixed_replicas(pool: Pool) -> int | None:
    """The number of pods if it is fixed; None if a scaler owns it."""
    return pool.scaling.replicas if isinstance(pool.scaling, Fixed) else None


def _behavior(grace_period_seconds: int) -> autoscaling.HorizontalPodAutoscalerBehaviorArgs:
    rules = thresholds.behavior(grace_period_seconds)
    scale_up, scale_down = (
        autoscaling.HPAScalingRulesArgs(
            stabilization_window_seconds=rule["stabilizationWindowSeconds"],
            select_policy=rule["selectPolicy"],
            policies=[
                autoscaling.HPAScalingPolicyArgs(
                    type=one["type"], value=one["value"], period_seconds=one["periodSeconds"]
                )
                for one in rule["policies"]
            ],
        )
        for rule in (rules["scaleUp"], rules["scaleDown"])
    )
    return autoscaling.HorizontalPodAutoscalerBehaviorArgs(scale_up=scale_up, scale_down=scale_down)
