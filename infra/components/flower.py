"""Flower: a look at workers and tasks."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from app import contract
from app.contract import Role
from infra import naming
from infra.application import SHORT_GRACE_SECONDS, Process
from infra.components.certificates import Certificates
from infra.components.process_deployment import ProcessDeployment
from infra.endpoints import Backends
from infra.probes import Probes, exec_probe
from infra.settings.stack import Stack


class Flower(ProcessDeployment):
    """A look at workers and tasks: read-only, behind a password, reached by `kubectl port-forward` and no other way."""

    def __init__(
        self, stack: Stack, backends: Backends, certificates: Certificates, *, after: Sequence[pulumi.Resource]
    ) -> None:
        """One pod."""
        healthy = ("millrace-healthy", str(contract.PORT_FLOWER), "/healthcheck")
        process = Process(
            component=naming.FLOWER,
            role=Role.FLOWER,
            arguments=("flower",),
            servers=("broker",),
            resources=stack.workloads.flower.resources,
            grace_period_seconds=SHORT_GRACE_SECONDS,
            ports={"https": contract.PORT_FLOWER},
            probes=Probes(
                startup=exec_probe(healthy, every=5, failures=24),
                readiness=exec_probe(healthy, every=30),
                liveness=exec_probe(healthy, every=30, failures=6),
            ),
        )
        super().__init__(stack, process, backends, certificates, replicas=1, after=after)
        self.register_outputs({})
