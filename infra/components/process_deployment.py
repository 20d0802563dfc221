"""A process of the application in a Deployment: certificate, account, pods, disruption budget."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.apps import v1 as apps
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta

from infra import naming
from infra.application import Process, pod_of, ready_servers
from infra.components.certificates import LOCALHOST, Certificates
from infra.components.component import Component
from infra.components.deployment import ROLLING, disruption_budget, roll_out, service_account
from infra.endpoints import Backends
from infra.settings.stack import Stack
from infra.workloads import pod_metadata, workload_metadata


class ProcessDeployment(Component):
    """One process of the application, running in some number of pods."""

    def __init__(
        self,
        stack: Stack,
        process: Process,
        backends: Backends,
        certificates: Certificates,
        *,
        replicas: int | None,
        after: Sequence[pulumi.Resource],
        max_unavailable: int | str = 1,
    ) -> None:
        """`replicas` is None where a scaler owns the number: a number here would fight with it at every deploy."""
        super().__init__(process.component, stack, after=[*after, *ready_servers(process, backends)])
        self.process = process
        self.backends = backends
        certificate = certificates.leaf(process.component, [*naming.service_names(process.component), LOCALHOST])
        account = service_account(self, process.component)
        self.deployment = apps.Deployment(
            process.component,
            metadata=workload_metadata(stack, process.component),
            spec=apps.DeploymentSpecArgs(
                replicas=replicas,
                **ROLLING,
                selector=meta.LabelSelectorArgs(match_labels=naming.selector(process.component)),
                template=core.PodTemplateSpecArgs(
                    metadata=pod_metadata(
                        stack,
                        process.component,
                        {naming.ANNOTATION_CONFIG_HASH: backends.secrets_hash(process.role)},
                    ),
                    spec=pod_of(stack, process, backends),
                ),
            ),
            opts=self.child(after=[certificate, account], custom_timeouts=roll_out(stack, process.component)),
        )
        disruption_budget(self, process.component, max_unavailable)
