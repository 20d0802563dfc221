"""Beat, which sends the tasks that have a schedule."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from app.contract import Role
from infra import naming
from infra.application import METRICS_PORT, SHORT_GRACE_SECONDS, Process, heartbeat_probes
from infra.components.certificates import Certificates
from infra.components.process_deployment import ProcessDeployment
from infra.endpoints import Backends
from infra.settings.stack import Stack


class Beat(ProcessDeployment):
    """One pod. A roll-out runs two for a while, which does no harm."""

    def __init__(
        self, stack: Stack, backends: Backends, certificates: Certificates, *, after: Sequence[pulumi.Resource]
    ) -> None:
        """One pod."""
        process = Process(
            component=naming.BEAT,
            role=Role.BEAT,
            arguments=("beat",),
            servers=("postgresql", "broker"),
            resources=stack.workloads.beat.resources,
            grace_period_seconds=SHORT_GRACE_SECONDS,
            ports=METRICS_PORT,
            waits_for=("--migrations", "--topology"),
            probes=heartbeat_probes(),
        )
        super().__init__(stack, process, backends, certificates, replicas=1, after=after)
        self.register_outputs({})
