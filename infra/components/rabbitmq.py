"""RabbitMQ: a cluster of an odd number of nodes, TLS between clients and between nodes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pulumi
from pulumi_kubernetes.core import v1 as core

from app import contract
from app.contract import Queue
from infra import naming
from infra.components import changes, files
from infra.components.certificates import LOCALHOST
from infra.components.component import Part
from infra.components.deployment import disruption_budget, service_account
from infra.components.keda import trigger_authentication
from infra.components.stateful import data_at, headless_service, service, stateful_set
from infra.ground import Authority, Ground
from infra.probes import Probes, exec_probe, tcp_probe
from infra.servers.rabbitmq import cluster as rabbitmq, definitions
from infra.servers.rabbitmq.files import config
from infra.servers.rabbitmq.steps import fewer_nodes, skipped_version
from infra.servers.rabbitmq.vhost import CONNECTIONS
from infra.settings.backends import RabbitMQ as Settings
from infra.settings.shutdown import Timings
from infra.volumes import Files, Volume, config as config_folder, scratch, secrets
from infra.workloads import Container, apart, pod

#: What `millrace-stop` takes beyond its two bounds, to kill what hangs.
STOP_MARGIN_SECONDS = 5
_NODE_PORTS = {"epmd": contract.PORT_EPMD, "distribution": contract.PORT_ERLANG_DISTRIBUTION}
_CLIENT_PORTS = {
    "amqps": contract.PORT_AMQPS,
    "management": contract.PORT_RABBITMQ_MANAGEMENT,
    "prometheus": contract.PORT_RABBITMQ_METRICS,
}


class RabbitMQ(Part):
    """StatefulSet, services, definitions, certificate, disruption budget, and KEDA's way to look at queues."""

    def __init__(
        self,
        ground: Ground,
        settings: Settings,
        authority: Authority,
        users: pulumi.Input[str],
        *,
        image: str,
        cookie: pulumi.Input[str],
        queues: Sequence[Queue] = (),
        timings: Timings = Timings(),  # noqa: B008 - frozen
        connections: int = CONNECTIONS,
        scaled_in: str | None = None,
        name: str = naming.RABBITMQ,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """A cluster.

        Args:
            ground: where.
            settings: version and sizes.
            authority: who certifies it.
            users: RabbitMQ's definitions of users and permissions, as JSON.
            image: one of infra/images/rabbitmq, of the settings' version.
            cookie: the secret that the nodes share.
            queues: those that have policies; who declares a queue is another matter.
            timings: heartbeats, and when a consumer is taken for hung.
            connections: at most, of all clients.
            scaled_in: the namespace of ScaledObjects that look at queues.
            name: of the StatefulSet and its Service.
            after: what it waits for.
            opts: of Pulumi.
        """
        super().__init__(name, ground, after=after, opts=opts)
        self.name, self.image, self.settings = name, image, settings
        self.host = naming.service_host(name, ground.namespace_of(name))
        self.environment = {"MILLRACE_RABBITMQ_HOST": self.host}
        self.cluster = _cluster(name, ground.namespace_of(name), settings, timings)
        names = naming.service_names(name, ground.namespace_of(name))
        certificate = authority.leaf(name, [*names, *self.cluster.hosts, LOCALHOST], client=True)
        plain = {
            **config(self.cluster),
            definitions.VHOST_FILE: definitions.vhost_file(
                queues, self.cluster.consumer_timeout_seconds, connections=connections
            ),
        }
        secrets_ = {definitions.USERS_FILE: users}
        config_map = files.config_map(self, name, plain)
        secret = files.secret(self, name, f"{name}-secrets", {**secrets_, "erlang_cookie": cookie})
        nodes = headless_service(self, name, naming.nodes(name), {**_NODE_PORTS, **_CLIENT_PORTS})
        service(self, name, _CLIENT_PORTS)
        disruption_budget(self, name)
        stateful_set(
            self,
            name,
            replicas=settings.nodes,
            headless_service=naming.nodes(name),
            pod=self._pod(),
            storage=settings.storage,
            # Without the cookie: nodes with different cookies do not speak, so it is never changed by a roll-out.
            config_hash=files.content_hash(plain, secrets_, {"ca.crt": authority.trust}),
            after=[certificate, config_map, secret, nodes, service_account(self, name)],
            annotations={naming.ANNOTATION_VERSION: settings.version},
            reviewed={"CKV_K8S_8": "A restart mends no broker: it costs a quorum its member while others fail too"},
            hooks=changes.unless(self._refused, name=f"{ground.namespace_of(name)}/{name} runs"),
        )
        if scaled_in is not None:
            address = f"https://{self.host}:{contract.PORT_RABBITMQ_MANAGEMENT}/"
            trigger_authentication(self, name, scaled_in, address)
        self.register_outputs({})

    def _refused(self, before: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[str]:
        yield from fewer_nodes(self.name, int(before["spec"]["replicas"]), self.settings.nodes)
        # A set that was made before it was noted has none; then the volume alone tells (images/rabbitmq/version-step).
        if version := before["metadata"].get("annotations", {}).get(naming.ANNOTATION_VERSION):
            yield from skipped_version(version, self.settings.version)

    def _pod(self) -> core.PodSpecArgs:
        broker, kept = self.settings, self.ground.is_prod
        nodes = f"{naming.nodes(self.name)}.{self.ground.namespace_of(self.name)}"
        nodename = rabbitmq.node_name(f"$(POD_NAME).{nodes}.svc.cluster.local")
        schedulers = math.ceil(broker.resources.cpu_limit_cores)
        container = Container(
            name=naming.RABBITMQ,
            image=self.image,
            resources=broker.resources,
            pod_fields={"POD_NAME": "metadata.name"},
            environment={
                **self.cluster.environment,
                "RABBITMQ_NODENAME": nodename,
                # As many schedulers as cores it may use, none of them spinning: a cgroup counts spinning as work.
                "RABBITMQ_SERVER_START_ARGS": f"+S {schedulers}:{schedulers} +sbwt none +sbwtdcpu none +sbwtdio none",
            },
            ports={**_NODE_PORTS, **_CLIENT_PORTS},
            volumes=[
                data_at("/var/lib/rabbitmq"),
                scratch(),
                config_folder(f"{self.name}-config", *config(self.cluster)),
                # Definitions with the folder in their paths: RabbitMQ gives up at a link (definitions.py).
                secrets(
                    Files(
                        secret=f"{self.name}-secrets",
                        paths={
                            "erlang_cookie": "erlang_cookie",
                            definitions.USERS_FILE: f"{definitions.FOLDER}/{definitions.USERS_FILE}",
                        },
                    ),
                    Files(
                        config_map=f"{self.name}-config",
                        paths={definitions.VHOST_FILE: f"{definitions.FOLDER}/{definitions.VHOST_FILE}"},
                    ),
                    certified=self.name,
                ),
                _skip_marker(),
            ],
            probes=Probes(
                # Also the proof that it found its peers: a node that founded a cluster of its own is never started.
                startup=exec_probe(["millrace-started"], every=10, failures=60, timeout=15),
                # Only whether it takes connections: an alarm must not send its clients to nodes that have it too.
                readiness=tcp_probe(contract.PORT_AMQPS),
            ),
            pre_stop=(
                "timeout",
                str(broker.quorum_wait_seconds + broker.drain_seconds + STOP_MARGIN_SECONDS),
                "millrace-stop",
                str(broker.quorum_wait_seconds),
                str(broker.drain_seconds),
            ),
        )
        return pod(
            self.ground,
            self.name,
            [container],
            grace_period_seconds=broker.grace_period_seconds,
            spread_hosts="DoNotSchedule" if kept else "ScheduleAnyway",
            affinity=apart(self.name) if kept else None,
        )


def _cluster(name: str, namespace: str, settings: Settings, timings: Timings) -> rabbitmq.Cluster:
    """The cluster as the generator of its files wants it."""
    return rabbitmq.Cluster(
        version=settings.version,
        hosts=rabbitmq.kubernetes_hosts(naming.nodes(name), namespace, name=name, replicas=settings.nodes),
        memory_limit_bytes=settings.resources.memory_bytes,
        disk_free_limit=rabbitmq.DiskFreeLimit("relative", "1.0"),
        discovery=rabbitmq.kubernetes_discovery(settings.version),
        consumer_timeout_seconds=timings.consumer_timeout_seconds,
        heartbeat_seconds=timings.broker_heartbeat_seconds,
    )


def _skip_marker() -> Volume:
    reference = core.ObjectFieldSelectorArgs(
        api_version="v1", field_path=f"metadata.annotations['{naming.ANNOTATION_SKIP_STOP}']"
    )
    item = core.DownwardAPIVolumeFileArgs(path="skip-prestop-checks", field_ref=reference)
    return Volume(
        name="pod-info",
        path="/etc/pod-info",
        read_only=True,
        source=core.VolumeArgs(name="pod-info", downward_api=core.DownwardAPIVolumeSourceArgs(items=[item])),
    )
