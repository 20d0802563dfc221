"""PgBouncer: few connections to PostgreSQL for many processes."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.apps import v1 as apps
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta

from app import contract
from infra import naming
from infra.components import files
from infra.components.certificates import Certificates
from infra.components.component import Component
from infra.components.deployment import ROLLING, disruption_budget, roll_out, service_account
from infra.components.passwords import Passwords
from infra.components.stateful import service
from infra.probes import Probes, exec_probe
from infra.servers.capacity import POOLED_ROLES
from infra.servers.pgbouncer import pgbouncer_ini, userlist
from infra.settings.stack import Stack
from infra.volumes import Files, config, scratch, secrets
from infra.workloads import Container, pod, pod_metadata, workload_metadata

#: Transactions under way end, then it stops.
GRACE_SECONDS = 45
#: Clients that connect while the service still lists this pod are served.
DRAIN_SECONDS = 5
SECRET = "pgbouncer-secrets"  # noqa: S105 - a name


class PgBouncer(Component):
    """Deployment, service, verifiers, certificate and disruption budget."""

    def __init__(
        self,
        stack: Stack,
        server_host: pulumi.Input[str],
        certificates: Certificates,
        passwords: Passwords,
        *,
        authorities: Files | None = None,
        after: Sequence[pulumi.Resource],
    ) -> None:
        """In front of the PostgreSQL at `server_host`; `authorities` are who certifies that, if not our own."""
        super().__init__(naming.PGBOUNCER, stack, after=after)
        self.environment = {"MILLRACE_POSTGRESQL_HOST": naming.service_host(naming.PGBOUNCER)}
        ports = {"postgresql": contract.PORT_POSTGRESQL}
        rotated = [role for role in POOLED_ROLES if len(stack.generations(role)) > 1]
        authority = next(iter(authorities.paths.values())) if authorities else "ca.crt"
        settings_files = {
            "pgbouncer.ini": pulumi.Output.from_input(server_host).apply(
                lambda host: pgbouncer_ini(host, stack.fleet, rotated, authority)
            )
        }
        secret_files = {"userlist.txt": passwords.all_of("postgresql").apply(userlist)}
        before: list[pulumi.Resource] = [
            certificates.leaf(naming.PGBOUNCER, naming.service_names(naming.PGBOUNCER)),
            files.config_map(self, naming.PGBOUNCER, settings_files),
            files.secret(self, naming.PGBOUNCER, SECRET, secret_files),
            service_account(self, naming.PGBOUNCER),
        ]
        container = Container(
            name=naming.PGBOUNCER,
            image=stack.images.reference("pgbouncer"),
            resources=stack.pgbouncer.resources,
            ports=ports,
            volumes=[
                scratch(),
                config(f"{naming.PGBOUNCER}-config"),
                secrets(Files(secret=SECRET), *([authorities] if authorities else []), certified=naming.PGBOUNCER),
            ],
            probes=Probes(
                startup=exec_probe(["millrace-healthy"], every=2, failures=30),
                readiness=exec_probe(["millrace-healthy"], every=5, failures=2),
                liveness=exec_probe(["millrace-healthy"], every=15, failures=4),
            ),
            pre_stop=("sleep", str(DRAIN_SECONDS)),
        )
        apps.Deployment(
            naming.PGBOUNCER,
            metadata=workload_metadata(stack, naming.PGBOUNCER),
            spec=apps.DeploymentSpecArgs(
                replicas=stack.pgbouncer.replicas,
                **ROLLING,
                selector=meta.LabelSelectorArgs(match_labels=naming.selector(naming.PGBOUNCER)),
                template=core.PodTemplateSpecArgs(
                    metadata=pod_metadata(
                        stack,
                        naming.PGBOUNCER,
                        {
                            naming.ANNOTATION_CONFIG_HASH: files.content_hash(
                                settings_files, secret_files, {"ca.crt": certificates.trust}
                            )
                        },
                    ),
                    spec=pod(stack, naming.PGBOUNCER, [container], grace_period_seconds=GRACE_SECONDS),
                ),
            ),
            opts=self.child(after=before, custom_timeouts=roll_out(stack, naming.PGBOUNCER)),
        )
        service(self, naming.PGBOUNCER, ports)
        disruption_budget(self, naming.PGBOUNCER)
        self.register_outputs({})
