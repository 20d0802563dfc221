"""A pool of Celery workers on one queue."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from app.contract import Role
from infra import naming, worker
from infra.application import METRICS_PORT, Process, heartbeat_probes
from infra.components.certificates import Certificates
from infra.components.process_deployment import ProcessDeployment
from infra.components.scalers import fixed_replicas, pool_scaler
from infra.endpoints import Backends
from infra.settings.backends import SinglePostgreSQL
from infra.settings.stack import Stack
from infra.settings.workloads import Pool

#: At least what a node holds of a pool that is spread evenly: its budget never keeps them on a drained node (ADR 0017).
MAX_UNAVAILABLE = "50%"


class WorkerPool(ProcessDeployment):
    """Deployment and scaler of one pool."""

    def __init__(
        self,
        stack: Stack,
        pool: Pool,
        backends: Backends,
        certificates: Certificates,
        *,
        after: Sequence[pulumi.Resource],
    ) -> None:
        """As the pool says."""
        component = naming.worker(pool.name)
        process = Process(
            component=component,
            role=Role.WORKER,
            arguments=("worker",),
            servers=("postgresql", "broker", "redis", "s3"),
            resources=pool.resources,
            grace_period_seconds=pool.grace_period_seconds,
            ports=METRICS_PORT,
            environment={
                **worker.environment(pool),
                "MILLRACE_DRILLS_ENABLED": str(stack.drills).lower(),
                "PROMETHEUS_MULTIPROC_DIR": "/tmp/metrics",  # noqa: S108 - a tmpfs of the pod's own
            },
            waits_for=("--migrations", "--topology"),
            probes=heartbeat_probes(),
            # The only database waits for its drained node: no worker there may have to wait for it first (ADR 0017).
            spread_hosts="DoNotSchedule" if isinstance(stack.database, SinglePostgreSQL) else "ScheduleAnyway",
        )
        super().__init__(
            stack,
            process,
            backends,
            certificates,
            replicas=fixed_replicas(pool),
            after=after,
            max_unavailable=MAX_UNAVAILABLE,
        )
        pool_scaler(self, pool, backends.queue_trigger, self.deployment)
        self.register_outputs({})
