"""Redis, for rate limits and results, or as the broker: one, or three whose sentinels choose the primary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pulumi
from pulumi_kubernetes.core import v1 as core

from app import contract
from app.contract import Role
from infra import naming
from infra.components import files
from infra.components.certificates import LOCALHOST
from infra.components.component import Part
from infra.components.deployment import disruption_budget, service_account
from infra.components.stateful import data_at, headless_service, service, stateful_set
from infra.ground import Authority, Ground
from infra.probes import Probes, exec_probe
from infra.servers.logins import Accepted
from infra.servers.redis import users_acl
from infra.servers.redis_conf import DATA, Sync, redis_conf
from infra.servers.sentinel import node_names, nodes_file, sentinel_acl, sentinel_conf
from infra.settings.backends import Redis as Settings, RedisBroker
from infra.sizing import SENTINEL_RESOURCES
from infra.volumes import Files, config, scratch, secrets
from infra.workloads import Container, apart, pod

#: The hand-over of a primary takes up to 15 s (infra/images/redis/hand-over); then the append-only file is closed.
HAND_OVER_SECONDS = 20
GRACE_SECONDS = 45


class Redis(Part):
    """StatefulSet, services, access lists, certificate and disruption budget."""

    def __init__(
        self,
        ground: Ground,
        settings: Settings | RedisBroker,
        authority: Authority,
        users: pulumi.Output[Mapping[Role, Accepted]],
        own: Mapping[Role, pulumi.Input[str]],
        *,
        image: str,
        max_clients: int,
        access: Callable[[Mapping[Role, Accepted]], str] = users_acl,
        sync: Sync = "everysec",
        name: str = naming.REDIS,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`users` are the roles that may log in; PROBE is one, with sentinels also REPLICA and SENTINEL.

        `access` writes the list of what each user may do. `own` are the passwords with which the servers log in as
        these: of several that are accepted, the one in use.
        """
        super().__init__(name, ground, after=after, opts=opts)
        self.name, self.image, self.settings = name, image, settings
        namespace = ground.namespace_of(name)
        self.watched = settings.topology == "sentinel"
        nodes = node_names(settings.replicas, naming.nodes(name), namespace, name=name)
        ports = {"redis": contract.PORT_REDIS} | ({"sentinel": contract.PORT_SENTINEL} if self.watched else {})
        self.host = naming.service_host(name, namespace)
        self.environment = {"MILLRACE_REDIS_HOST": self.host}
        settings_files = {
            "redis.conf": redis_conf(settings.resources.memory_bytes, max_clients, settings.topology, sync=sync)
        }
        secret_files: dict[str, pulumi.Input[str]] = {
            "users.acl": users.apply(access),
            "probe_password": own[Role.PROBE],
        }
        if self.watched:
            self.environment = {"MILLRACE_REDIS_SENTINELS": ",".join(nodes)}
            settings_files |= {"sentinel.conf": sentinel_conf(nodes), "nodes": nodes_file(nodes)}
            secret_files |= {
                "sentinel.acl": users.apply(sentinel_acl),
                "replica_password": own[Role.REPLICA],
                "sentinel_password": own[Role.SENTINEL],
            }
        before: list[pulumi.Resource] = [
            authority.leaf(name, [*naming.service_names(name, namespace), *nodes, LOCALHOST]),
            files.config_map(self, name, settings_files),
            files.secret(self, name, f"{name}-secrets", secret_files),
            headless_service(self, name, naming.nodes(name), ports),
            service_account(self, name),
        ]
        if not self.watched:
            # Where there are several, clients ask the sentinels: any other way leads to a replica.
            service(self, name, ports)
        disruption_budget(self, name)
        stateful_set(
            self,
            name,
            replicas=settings.replicas,
            headless_service=naming.nodes(name),
            pod=self._pod(),
            storage=settings.storage,
            config_hash=files.content_hash(settings_files, secret_files, {"ca.crt": authority.trust}),
            after=before,
        )
        self.register_outputs({})

    def _pod(self) -> core.PodSpecArgs:
        volumes = [
            data_at(DATA),
            scratch(),
            config(f"{self.name}-config"),
            secrets(Files(secret=f"{self.name}-secrets"), certified=self.name),
        ]
        server = Container(
            name=naming.REDIS,
            image=self.image,
            resources=self.settings.resources,
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
            image=self.image,
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
            self.ground,
            self.name,
            [server, sentinel] if self.watched else [server],
            grace_period_seconds=GRACE_SECONDS,
            spread_hosts="DoNotSchedule" if self.watched else "ScheduleAnyway",
            affinity=apart(self.name) if self.watched else None,
        )
