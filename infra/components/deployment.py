"""Objects of every workload beside its pods: an account, a disruption budget, a way of being replaced."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_kubernetes.apps import v1 as apps
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta
from pulumi_kubernetes.policy import v1 as policy

from infra import naming
from infra.components.component import Part
from infra.settings.stack import Stack
from infra.sizing import sizes
from infra.workloads import metadata

#: A pod must stay well for so long before the next one is replaced.
MIN_READY_SECONDS = 5
REVISIONS_KEPT = 3
#: A roll-out that has not come further for so long has failed.
PROGRESS_SECONDS = 600


#: From a pod's start until it is taken for well, on a busy node: image, init containers, start-up probe.
POD_SECONDS = 120


def roll_out(stack: Stack, component: str) -> pulumi.CustomTimeouts:
    """How long Pulumi waits for a Deployment of the stack."""
    sized = sizes(stack, naming.namespace_of(component))
    return roll_out_of(max(size.pods for size in sized if size.component == component))


def roll_out_of(pods: int) -> pulumi.CustomTimeouts:
    """One pod after the other, as many as its scaler may have made.

    A Deployment that makes no progress for PROGRESS_SECONDS fails earlier.
    """
    seconds = PROGRESS_SECONDS + pods * (POD_SECONDS + MIN_READY_SECONDS)
    return pulumi.CustomTimeouts(create=f"{seconds}s", update=f"{seconds}s")


#: How a Deployment is replaced: one more, then one less.
ROLLING: dict[str, Any] = {
    "strategy": apps.DeploymentStrategyArgs(
        type="RollingUpdate", rolling_update=apps.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0)
    ),
    "revision_history_limit": REVISIONS_KEPT,
    "min_ready_seconds": MIN_READY_SECONDS,
    "progress_deadline_seconds": PROGRESS_SECONDS,
}


def service_account(parent: Part, component: str) -> core.ServiceAccount:
    """An account of its own, without rights and without a token."""
    return core.ServiceAccount(
        component,
        metadata=metadata(parent.ground, component),
        automount_service_account_token=False,
        opts=parent.child(),
    )


def disruption_budget(parent: Part, component: str, max_unavailable: int | str = 1) -> policy.PodDisruptionBudget:
    """So many pods may be moved at a time; one that is broken anyway always."""
    return policy.PodDisruptionBudget(
        component,
        metadata=metadata(parent.ground, component),
        spec=policy.PodDisruptionBudgetSpecArgs(
            max_unavailable=max_unavailable,
            unhealthy_pod_eviction_policy="AlwaysAllow",
            selector=meta.LabelSelectorArgs(match_labels=naming.selector(component)),
        ),
        opts=parent.child(),
    )
