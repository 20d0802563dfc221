"""A pool for a Celery application of somebody else: it has its own image and reaches no server but the broker."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.apps import v1 as apps
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta

from infra import naming, worker
from infra.components.component import Component
from infra.components.deployment import ROLLING, disruption_budget, roll_out, service_account
from infra.components.scalers import fixed_replicas, pool_scaler
from infra.components.worker_pool import MAX_UNAVAILABLE
from infra.endpoints import Backends
from infra.probes import Probes, exec_probe
from infra.settings.stack import Stack
from infra.settings.workloads import Application, Pool
from infra.volumes import Files, scratch, secrets
from infra.workloads import Container, pod, pod_metadata, workload_metadata


class ForeignPool(Component):
    """Deployment, disruption budget and scaler; it has no certificate and no metrics of ours."""

    def __init__(
        self,
        stack: Stack,
        pool: Pool,
        application: Application,
        backends: Backends,
        *,
        after: Sequence[pulumi.Resource],
    ) -> None:
        """Make the resources; `application` is the pool's own, which the caller has checked to be there."""
        component = naming.worker(pool.name)
        super().__init__(component, stack, after=[*after, *backends.broker.ready])
        account = service_account(self, component)
        self.deployment = apps.Deployment(
            component,
            metadata=workload_metadata(stack, component, reviewed={
                "CKV_K8S_8": "Only an inspect through the broker shows whether a Celery worker hangs",
            }),
            spec=apps.DeploymentSpecArgs(
                replicas=fixed_replicas(pool),
                **ROLLING,
                selector=meta.LabelSelectorArgs(match_labels=naming.selector(component)),
                template=core.PodTemplateSpecArgs(
                    metadata=pod_metadata(
                        stack, component, {naming.ANNOTATION_CONFIG_HASH: backends.secrets_hash(component)}
                    ),
                    spec=pod(
                        stack, component, [_container(component, pool, application)],
                        grace_period_seconds=pool.grace_period_seconds,
                    ),
                ),
            ),
            opts=self.child(after=[account], custom_timeouts=roll_out(stack, component)),
        )  # fmt: skip
        disruption_budget(self, component, MAX_UNAVAILABLE)
        pool_scaler(self, pool, backends, self.deployment)
        self.register_outputs({})


def _container(component: str, pool: Pool, application: Application) -> Container:
    """Its container; the folder of secrets holds the broker's URL with the password, and our CA."""
    own = Files(secret=naming.passwords_secret(component))
    return Container(
        name=component,
        image=application.image,
        arguments=application.command,
        environment=worker.environment(pool) | application.environment,
        resources=pool.resources,
        volumes=[scratch(), secrets(own)],
        # No liveness probe: while the broker is away there is no connection, and a restart would not help.
        probes=Probes(readiness=exec_probe(application.probe, every=10, failures=3)),
    )
