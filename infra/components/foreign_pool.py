"""A pool for a Celery application of somebody else: it has its own image and reaches no server but the broker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pulumi
from pulumi_kubernetes.apps import v1 as apps
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta

from infra import naming, worker
from infra.components.component import Part
from infra.components.deployment import ROLLING, disruption_budget, roll_out_of, service_account
from infra.components.scalers import fixed_replicas, pool_scaler
from infra.components.worker_pool import MAX_UNAVAILABLE
from infra.endpoints import Backends, QueueTrigger
from infra.ground import Ground
from infra.probes import Probes, exec_probe
from infra.settings.scaling import most_replicas
from infra.settings.stack import Stack
from infra.settings.workloads import Application, Pool
from infra.volumes import Files, scratch, secrets
from infra.workloads import Container, pod, pod_metadata, workload_metadata


class ForeignPool(Part):
    """Deployment, disruption budget and scaler; it has no certificate and no metrics of ours."""

    def __init__(
        self,
        ground: Ground,
        pool: Pool,
        application: Application,
        *,
        secrets_hash: pulumi.Input[str],
        queue_trigger: QueueTrigger | None = None,
        trusted: Files | None = None,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """A pool of the application's image.

        Its namespace has a Secret `worker-<name>-passwords`, whose files it finds in /run/secrets/millrace; a change of
        `secrets_hash` starts it anew. `queue_trigger` is KEDA's, for a pool that scales by its queue. `trusted` is
        the `ca.crt` of a broker that is certified by others than our authority.
        """
        component = naming.worker(pool.name)
        super().__init__(component, ground, after=after, opts=opts)
        account = service_account(self, component)
        self.deployment = apps.Deployment(
            component,
            metadata=workload_metadata(ground, component, reviewed={
                "CKV_K8S_8": "Only an inspect through the broker shows whether a Celery worker hangs",
            }),
            spec=apps.DeploymentSpecArgs(
                replicas=fixed_replicas(pool),
                **ROLLING,
                selector=meta.LabelSelectorArgs(match_labels=naming.selector(component)),
                template=core.PodTemplateSpecArgs(
                    metadata=pod_metadata(
                        ground, component, {naming.ANNOTATION_CONFIG_HASH: secrets_hash}
                    ),
                    spec=pod(
                        ground, component, [_container(component, pool, application, trusted)],
                        grace_period_seconds=pool.grace_period_seconds,
                    ),
                ),
            ),
            opts=self.child(after=[account], custom_timeouts=roll_out_of(most_replicas(pool.scaling))),
        )  # fmt: skip
        disruption_budget(self, component, MAX_UNAVAILABLE)
        pool_scaler(self, pool, queue_trigger, self.deployment)
        self.register_outputs({})

    @classmethod
    def of(
        cls, stack: Stack, pool: Pool, application: Application, servers: Backends, *, after: Sequence[pulumi.Resource]
    ) -> ForeignPool:
        """A stack's own, on its broker."""
        authorities = servers.broker.authorities
        return cls(
            stack,
            pool,
            application,
            secrets_hash=servers.secrets_hash(naming.worker(pool.name)),
            queue_trigger=servers.queue_trigger,
            trusted=replace(authorities, paths=dict.fromkeys(authorities.paths, "ca.crt")) if authorities else None,
            after=[*after, *servers.broker.ready],
        )


def _container(component: str, pool: Pool, application: Application, trusted: Files | None) -> Container:
    """Its container; the folder of secrets holds the broker's URL with the password, and its CA."""
    own = Files(secret=naming.passwords_secret(component))
    return Container(
        name=component,
        image=application.image,
        arguments=application.command,
        environment=worker.environment(pool) | application.environment,
        resources=pool.resources,
        volumes=[scratch(), secrets(own, trusted=trusted)],
        # No liveness probe: while the broker is away there is no connection, and a restart would not help.
        probes=Probes(readiness=exec_probe(application.probe, every=10, failures=3)),
    )
