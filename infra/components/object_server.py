"""The S3 server of a stack without an S3 elsewhere, for staging: one pod, whose volume outlives it."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.core import v1 as core

from app import contract
from infra import naming
from infra.components import files
from infra.components.certificates import LOCALHOST, Certificates
from infra.components.component import Component
from infra.components.deployment import disruption_budget, service_account
from infra.components.passwords import Passwords
from infra.components.stateful import data_at, headless_service, service, stateful_set
from infra.probes import Probes, exec_probe
from infra.servers.object_store import policy_json, users_json
from infra.settings.backends import ObjectServer
from infra.settings.stack import Stack
from infra.volumes import Files, config, scratch, secrets
from infra.workloads import Container, pod

GRACE_SECONDS = 30
DATA = "/var/lib/objectstore"
SECRET = f"{naming.OBJECT_STORE}-secrets"


class S3Server(Component):
    """StatefulSet, services, users, the bucket's policy, certificate and disruption budget."""

    def __init__(
        self,
        stack: Stack,
        settings: ObjectServer,
        certificates: Certificates,
        passwords: Passwords,
        *,
        after: Sequence[pulumi.Resource],
    ) -> None:
        """Create all of them with the settings of `uploads`."""
        super().__init__(naming.OBJECT_STORE, stack, after=after)
        self.settings = settings
        host = naming.service_host(naming.OBJECT_STORE)
        self.environment = {"MILLRACE_S3_ENDPOINT": f"https://{host}:{contract.PORT_OBJECT_STORE}"}
        ports = {"s3": contract.PORT_OBJECT_STORE}
        settings_files = {"policy.json": policy_json(stack.rotation)}
        secret_files: dict[str, pulumi.Input[str]] = {
            "users.json": passwords.all_of("s3").apply(users_json),
        }
        before: list[pulumi.Resource] = [
            certificates.leaf(naming.OBJECT_STORE, [*naming.service_names(naming.OBJECT_STORE), LOCALHOST]),
            files.config_map(self, naming.OBJECT_STORE, settings_files),
            files.secret(self, naming.OBJECT_STORE, SECRET, secret_files),
            headless_service(self, naming.OBJECT_STORE, f"{naming.OBJECT_STORE}-nodes", ports),
            service_account(self, naming.OBJECT_STORE),
        ]
        service(self, naming.OBJECT_STORE, ports)
        disruption_budget(self, naming.OBJECT_STORE)
        stateful_set(
            self,
            naming.OBJECT_STORE,
            replicas=1,
            headless_service=f"{naming.OBJECT_STORE}-nodes",
            pod=self._pod(),
            storage=settings.storage,
            config_hash=files.content_hash(settings_files, secret_files),
            after=before,
        )
        self.register_outputs({})

    def _pod(self) -> core.PodSpecArgs:
        container = Container(
            name=naming.OBJECT_STORE,
            image=self.stack.images.reference("objectstore"),
            resources=self.settings.resources,
            ports={"s3": contract.PORT_OBJECT_STORE},
            volumes=[
                data_at(DATA),
                scratch(),
                config(f"{naming.OBJECT_STORE}-config"),
                secrets(Files(secret=SECRET), certified=naming.OBJECT_STORE),
            ],
            probes=Probes(
                startup=exec_probe(["millrace-healthy", "alive"], every=5, failures=24),
                readiness=exec_probe(["millrace-healthy"], every=5, failures=2),
                liveness=exec_probe(["millrace-healthy", "alive"], every=10, failures=6),
            ),
        )
        return pod(self.stack, naming.OBJECT_STORE, [container], grace_period_seconds=GRACE_SECONDS)
