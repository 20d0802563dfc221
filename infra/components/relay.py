"""The relay: from the outbox to the broker."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from app.contract import Role
from infra import naming
from infra.application import METRICS_PORT, Process, heartbeat_probes
from infra.components.certificates import Certificates
from infra.components.process_deployment import ProcessDeployment
from infra.endpoints import Backends
from infra.settings.stack import Stack


class Relay(ProcessDeployment):
    """Outbox to broker; several share the work."""

    def __init__(
        self, stack: Stack, backends: Backends, certificates: Certificates, *, after: Sequence[pulumi.Resource]
    ) -> None:
        """As the settings say."""
        settings, timings = stack.workloads.relay, stack.timings
        process = Process(
            component=naming.RELAY,
            role=Role.RELAY,
            arguments=("relay",),
            servers=("postgresql", "broker"),
            resources=settings.resources,
            grace_period_seconds=settings.grace_period_seconds,
            ports=METRICS_PORT,
            environment={
                "MILLRACE_RELAY_CONFIRM_TIMEOUT_SECONDS": f"{timings.relay_confirm_seconds:g}",
                "MILLRACE_RELAY_LEASE_SECONDS": f"{timings.relay_lease_seconds:g}",
            },
            waits_for=("--migrations",),
            probes=heartbeat_probes(),
        )
        super().__init__(stack, process, backends, certificates, replicas=settings.replicas, after=after)
        self.register_outputs({})
