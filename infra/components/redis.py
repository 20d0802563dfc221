"""Redis, for rate limits and the results of chords: one, or three whose sentinels choose the primary."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.core import v1 as core

from app import contract
from app.contract import Role
from infra import naming
from infra.components import files
from infra.components.certificates import LOCALHOST, Certificates
from infra.components.component import Component
from infra.components.deployment import disruption_budget, service_account
from infra.components.passwords import Passwords
from infra.components.stateful import data_at, headless_service, service, stateful_set
from infra.probes import Probes, exec_probe
from infra.servers.capacity import redis_max_clients
from infra.servers.redis import users_acl
from infra.servers.redis_conf import DATA, redis_conf
from infra.servers.sentinel import node_names, nodes_file, sentinel_acl, sentinel_conf
from infra.settings.stack import Stack
from infra.sizing import SENTINEL_RESOURCES
from infra.volumes import Files, config, scratch, secrets
from infra.workloads import Container, apart, pod

#: The hand-over of a primary takes up to 15 s (infra/images/redis/hand-over); then the append-only file is closed.
HAND_OVER_SECONDS = 20
GRACE_SECONDS = 45
SECRET = "redis-secrets"  # noqa: S105 - a name


class Redis(Component):
    """StatefulSet, services, access lists, certificate and disruption budget."""

    def __init__(
        self, stack: Stack, certificates: Certificates, passwords: Passwords, *, after: Sequence[pulumi.Resource]
    ) -> None:
        """As the stack's result backend says."""
        super().__init__(naming.REDIS, stack, after=after)
        settings = stack.result_backend
        self.watched = settings.topology == "sentinel"
        nodes = node_names(settings.replicas, naming.REDIS_NODES, naming.NAMESPACE_DATA)
        ports = {"redis": contract.PORT_REDIS} | ({"sentinel": contract.PORT_SENTINEL} if self.watched else {})
        self.environment = {"MILLRACE_REDIS_HOST": naming.service_host(naming.REDIS)}
        most = redis_max_clients(stack.fleet)
        settings_files = {"redis.conf": redis_conf(settings.resources.memory_bytes, most, settings.topology)}
        everyone = passwords.all_of("redis")
        secret_files: dict[str, pulumi.Input[str]] = {
            "users.acl": everyone.apply(users_acl),
            "probe_password": passwords.of(Role.PROBE, "redis"),
        }
        if self.watched:
            self.environment = {"MILLRACE_REDIS_SENTINELS": ",".join(nodes)}
            settings_files |= {"sentinel.conf": sentinel_conf(nodes), "nodes": nodes_file(nodes)}
            secret_files |= {
                "sentinel.acl": everyone.apply(sentinel_acl),
                "replica_password": passwords.of(Role.REPLICA, "redis"),
                "sentinel_password": passwords.of(Role.SENTINEL, "redis"),
            }
        before: list[pulumi.Resource] = [
            certificates.leaf(naming.REDIS, [*naming.service_names(naming.REDIS), *nodes, LOCALHOST]),
            files.config_map(self, naming.REDIS, settings_files),
            files.secret(self, naming.REDIS, SECRET, secret_files),
            headless_service(self, naming.REDIS, naming.REDIS_NODES, ports),
            service_account(self, naming.REDIS),
        ]
        if not self.watched:
            # Where there are several, clients ask the sentinels: any other way leads to a replica.
            service(self, naming.REDIS, ports)
        disruption_budget(self, naming.REDIS)
        stateful_set(
            self,
            naming.REDIS,
            replicas=settings.replicas,
            headless_service=naming.REDIS_NODES,
            pod=self._pod(),
            storage=settings.storage,
            config_hash=files.content_hash(settings_files, secret_files, {"ca.crt": certificates.trust}),
            after=before,
        )
        self.register_outputs({})

    def _pod(self) -> core.PodSpecArgs:
        stack = self.stack
        volumes = [
            data_at(DATA),
            scratch(),
            config(f"{naming.REDIS}-config"),
            secrets(Files(secret=SECRET), certified=naming.REDIS),
        ]
        server = Container(
            name=naming.REDIS,
            image=stack.images.reference("redis"),
            resources=stack.result_backend.resources,
            ports={"redis": contract.PORT_REDIS},
            volumes=volumes,
            probes=Probes(
                # Reading its file may take long: alive, not ready.
                startup=exec_probe(["millrace-healthy", "alive"], every=5, failures=60),
                readiness=exec_probe(["millrace-healthy", "ready"], every=5, failures=2),
                liveness=exec_probe(["millrace-healthy", "alive"], every=10, failures=6),
            ),
            pre_stop=("timeout", str(HAND_OVER_SECONDS), "millrace-hand-over"),
        )
        sentinel = Container(
            name="sentinel",
            image=stack.images.reference("redis"),
            command=("millrace-sentinel",),
            resources=SENTINEL_RESOURCES,
            ports={"sentinel": contract.PORT_SENTINEL},
            volumes=volumes,
            probes=Probes(
                startup=exec_probe(["millrace-healthy", "sentinel"], every=5, failures=60),
                readiness=exec_probe(["millrace-healthy", "sentinel"], every=5, failures=2),
                liveness=exec_probe(["millrace-healthy", "sentinel"], every=10, failures=6),
            ),
        )
        return pod(
            stack,
            naming.REDIS,
            [server, sentinel] if self.watched else [server],
            grace_period_seconds=GRACE_SECONDS,
            spread_hosts="DoNotSchedule" if self.watched else "ScheduleAnyway",
            affinity=apart(naming.REDIS) if self.watched else None,
        )
