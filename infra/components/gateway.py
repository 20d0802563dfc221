"""The gateway: the only way in."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta
from pulumi_kubernetes.networking import v1 as networking

from app import contract
from app.contract import Role
from infra import ingress_classes, naming
from infra.application import Process
from infra.components.certificates import Certificates
from infra.components.process_deployment import ProcessDeployment
from infra.components.scalers import cpu_scaler
from infra.endpoints import Backends
from infra.probes import Probes, https_probe
from infra.settings.rotation import AUTHORITY
from infra.settings.scaling import Fixed, HpaCpu
from infra.settings.stack import Stack
from infra.volumes import spool
from infra.workloads import metadata

#: Four uploads of 64 MiB at once (`uploads_at_once`, `upload_max_bytes` in app/settings.py), and some.
SPOOL_SIZE = "320Mi"


class Gateway(ProcessDeployment):
    """Deployment, Service, Ingress with TLS, and its scaler."""

    def __init__(
        self, stack: Stack, backends: Backends, certificates: Certificates, *, after: Sequence[pulumi.Resource]
    ) -> None:
        """As the settings say."""
        settings = stack.workloads.gateway
        process = Process(
            component=naming.GATEWAY,
            role=Role.GATEWAY,
            arguments=("gateway",),
            servers=("postgresql", "redis", "s3"),
            volumes=(spool("/var/spool/millrace", SPOOL_SIZE),) if stack.uploads is not None else (),
            resources=settings.resources,
            grace_period_seconds=settings.grace_period_seconds,
            ports={"https": contract.PORT_GATEWAY},
            environment={"MILLRACE_TRUST_PROXY_HEADERS": "true"},
            waits_for=("--migrations",),
            probes=Probes(
                startup=https_probe("/healthz", contract.PORT_GATEWAY, every=3, failures=40),
                readiness=https_probe("/readyz", contract.PORT_GATEWAY, every=5, failures=2, timeout=6),
                liveness=https_probe("/healthz", contract.PORT_GATEWAY, every=10, failures=6),
            ),
            # Load balancers learn of the end some seconds later: until then it goes on answering.
            pre_stop=("sleep", str(settings.drain_seconds)),
        )
        scaling = settings.scaling
        replicas = scaling.replicas if isinstance(scaling, Fixed) else None
        super().__init__(stack, process, backends, certificates, replicas=replicas, after=after)
        if isinstance(scaling, HpaCpu):
            cpu_scaler(self, naming.GATEWAY, scaling, settings.grace_period_seconds, self.deployment)
        self._service()
        self._ingress()
        self.register_outputs({})

    def _service(self) -> None:
        core.Service(
            naming.GATEWAY,
            metadata=metadata(
                self.stack,
                naming.GATEWAY,
                annotations=self.stack.workloads.gateway.ingress.service_annotations or None,
            ),
            spec=core.ServiceSpecArgs(
                type="ClusterIP",
                selector=naming.selector(naming.GATEWAY),
                ports=[core.ServicePortArgs(name="https", port=contract.PORT_GATEWAY, target_port="https")],
            ),
            opts=self.child(),
        )

    def _issuer(self) -> dict[str, str]:
        if (public := self.stack.workloads.gateway.ingress.issuer) is not None:
            return {"cert-manager.io/cluster-issuer": public}
        return {"cert-manager.io/issuer": naming.issuer(self.stack.generations(AUTHORITY)[0])}

    def _ingress(self) -> None:
        ingress = self.stack.workloads.gateway.ingress
        by_annotation = ingress_classes.named_by_annotation(ingress.class_name)
        named = {ingress_classes.CLASS_ANNOTATION: ingress.class_name} if by_annotation else {}
        networking.Ingress(
            naming.GATEWAY,
            metadata=meta.ObjectMetaArgs(
                name=naming.GATEWAY,
                namespace=naming.NAMESPACE_APP,
                labels=naming.labels(naming.GATEWAY, self.stack.environment),
                annotations={**self._issuer(), **named, **ingress.annotations},
            ),
            spec=networking.IngressSpecArgs(
                ingress_class_name=None if by_annotation else ingress.class_name,
                tls=[networking.IngressTLSArgs(hosts=[ingress.host], secret_name="gateway-public-tls")],  # noqa: S106 - a name
                rules=[
                    networking.IngressRuleArgs(
                        host=ingress.host,
                        http=networking.HTTPIngressRuleValueArgs(
                            paths=[
                                networking.HTTPIngressPathArgs(
                                    path="/",
                                    path_type="Prefix",
                                    backend=networking.IngressBackendArgs(
                                        service=networking.IngressServiceBackendArgs(
                                            name=naming.GATEWAY,
                                            port=networking.ServiceBackendPortArgs(name="https"),
                                        )
                                    ),
                                )
                            ]
                        ),
                    )
                ],
            ),
            opts=self.child(),
        )
