"""RabbitMQ: a cluster of an odd number of nodes, TLS between clients and between nodes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta

from app import contract
from app.contract import Role
from infra import naming
from infra.components import files
from infra.components.certificates import LOCALHOST, Certificates
from infra.components.component import Component
from infra.components.deployment import disruption_budget, service_account
from infra.components.passwords import Passwords
from infra.components.stateful import data_at, headless_service, service, stateful_set
from infra.probes import Probes, exec_probe, tcp_probe
from infra.servers.capacity import broker_limits
from infra.servers.logins import Accepted
from infra.servers.rabbitmq import cluster as rabbitmq, definitions
from infra.servers.rabbitmq.files import config
from infra.settings.limits import broker_connections
from infra.settings.scaling import KedaQueue
from infra.settings.stack import Stack
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
#: KEDA's way in, beside the ScaledObjects.
TRIGGER_AUTHENTICATION = "rabbitmq"


class RabbitMQ(Component):
    """StatefulSet, services, definitions, certificate, disruption budget, and KEDA's way to look at queues."""

    def __init__(
        self, stack: Stack, certificates: Certificates, passwords: Passwords, *, after: Sequence[pulumi.Resource]
    ) -> None:
        """As the stack's broker says."""
        super().__init__(naming.RABBITMQ, stack, after=after)
        self.environment = {"MILLRACE_RABBITMQ_HOST": naming.service_host(naming.RABBITMQ)}
        self.cluster = cluster_of(stack)
        certificate = certificates.leaf(
            naming.RABBITMQ, [*naming.service_names(naming.RABBITMQ), *self.cluster.hosts, LOCALHOST], client=True
        )
        settings = {
            **config(self.cluster),
            definitions.VHOST_FILE: definitions.vhost_file(
                stack.queues, self.cluster.consumer_timeout_seconds, connections=broker_connections(stack)
            ),
        }
        everyone = pulumi.Output.all(passwords.all_of("rabbitmq"), passwords.of_outsiders(stack.outsiders))
        users = {definitions.USERS_FILE: everyone.apply(lambda known: _users_file(stack, *known))}
        config_map = files.config_map(self, naming.RABBITMQ, settings)
        secret = files.secret(
            self, naming.RABBITMQ, "rabbitmq-secrets", {**users, "erlang_cookie": passwords.generate("erlang-cookie")}
        )
        nodes = headless_service(self, naming.RABBITMQ, naming.RABBITMQ_NODES, {**_NODE_PORTS, **_CLIENT_PORTS})
        service(self, naming.RABBITMQ, _CLIENT_PORTS)
        disruption_budget(self, naming.RABBITMQ)
        stateful_set(
            self,
            naming.RABBITMQ,
            replicas=stack.broker.nodes,
            headless_service=naming.RABBITMQ_NODES,
            pod=self._pod(),
            storage=stack.broker.storage,
            # Without the cookie: nodes with different cookies do not speak, so it is never changed by a roll-out.
            config_hash=files.content_hash(settings, users, {"ca.crt": certificates.trust}),
            after=[certificate, config_map, secret, nodes, service_account(self, naming.RABBITMQ)],
            reviewed={"CKV_K8S_8": "A restart mends no broker: it costs a quorum its member while others fail too"},
        )
        if any(isinstance(pool.scaling, KedaQueue) for pool in stack.workloads.pools):
            self._trigger_authentication()
        self.register_outputs({})

    def _pod(self) -> core.PodSpecArgs:
        broker, stack = self.stack.broker, self.stack
        nodename = rabbitmq.node_name(f"$(POD_NAME).{naming.RABBITMQ_NODES}.{naming.NAMESPACE_DATA}.svc.cluster.local")
        schedulers = math.ceil(broker.resources.cpu_limit_cores)
        container = Container(
            name=naming.RABBITMQ,
            image=stack.images.reference("rabbitmq"),
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
                config_folder(f"{naming.RABBITMQ}-config", *config(self.cluster)),
                # Definitions with the folder in their paths: RabbitMQ gives up at a link (definitions.py).
                secrets(
                    Files(
                        secret="rabbitmq-secrets",  # noqa: S106 - a name
                        paths={
                            "erlang_cookie": "erlang_cookie",
                            definitions.USERS_FILE: f"{definitions.FOLDER}/{definitions.USERS_FILE}",
                        },
                    ),
                    Files(
                        config_map=f"{naming.RABBITMQ}-config",
                        paths={definitions.VHOST_FILE: f"{definitions.FOLDER}/{definitions.VHOST_FILE}"},
                    ),
                    certified=naming.RABBITMQ,
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
            stack,
            naming.RABBITMQ,
            [container],
            grace_period_seconds=broker.grace_period_seconds,
            spread_hosts="DoNotSchedule" if stack.is_prod else "ScheduleAnyway",
            affinity=apart(naming.RABBITMQ) if stack.is_prod else None,
        )

    def _trigger_authentication(self) -> None:
        """KEDA looks over HTTPS: only so does it see unacknowledged messages, and a pool that is busy stays."""
        name = "keda-rabbitmq"
        labels = naming.labels(naming.RABBITMQ, self.stack.environment)
        where = meta.ObjectMetaArgs(name=name, namespace=naming.NAMESPACE_APP, labels=labels)
        address = f"https://{naming.service_host(naming.RABBITMQ)}:{contract.PORT_RABBITMQ_MANAGEMENT}/"
        core.ConfigMap(
            name,
            metadata=where,
            data={"host": address, "tls": "enable"},
            opts=self.child(),
        )
        secret = naming.passwords_secret(Role.KEDA)
        CustomResource(
            name,
            api_version="keda.sh/v1alpha1",
            kind="TriggerAuthentication",
            metadata=meta.ObjectMetaArgs(name=TRIGGER_AUTHENTICATION, namespace=naming.NAMESPACE_APP, labels=labels),
            spec={
                "configMapTargetRef": [
                    {"parameter": parameter, "name": name, "key": parameter} for parameter in ("host", "tls")
                ],
                "secretTargetRef": [
                    {"parameter": "username", "name": secret, "key": "rabbitmq_user"},
                    {"parameter": "password", "name": secret, "key": "rabbitmq_password"},
                    {"parameter": "ca", "name": naming.tls_secret(naming.AUTHORITY), "key": "ca.crt"},
                ],
            },
            opts=self.child(),
        )


def _users_file(stack: Stack, roles: Mapping[Role, Accepted], outsiders: Sequence[Accepted]) -> str:
    known = dict(zip(stack.outsiders, outsiders, strict=True))
    return definitions.users_file(roles, stack.queues, broker_limits(stack.fleet), known)


def cluster_of(stack: Stack) -> rabbitmq.Cluster:
    """The cluster as the generator of its files wants it."""
    broker = stack.broker
    return rabbitmq.Cluster(
        version=broker.version,
        hosts=rabbitmq.kubernetes_hosts(naming.RABBITMQ_NODES, naming.NAMESPACE_DATA, replicas=broker.nodes),
        memory_limit_bytes=broker.resources.memory_bytes,
        disk_free_limit=rabbitmq.DiskFreeLimit("relative", "1.0"),
        discovery=rabbitmq.kubernetes_discovery(broker.version),
        consumer_timeout_seconds=stack.timings.consumer_timeout_seconds,
        heartbeat_seconds=stack.timings.broker_heartbeat_seconds,
    )


def queue_trigger(queue: str, messages: int) -> dict[str, Any]:
    """KEDA's trigger: a pod for so many messages, those in workers' hands included."""
    return {
        "type": "rabbitmq",
        "name": queue,
        "metricType": "AverageValue",
        "metadata": {
            "protocol": "http",
            "vhostName": contract.VHOST,
            "queueName": queue,
            "mode": "QueueLength",
            "value": str(messages),
            "excludeUnacknowledged": "false",
        },
        "authenticationRef": {"name": TRIGGER_AUTHENTICATION},
    }


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
