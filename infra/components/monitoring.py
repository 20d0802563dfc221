"""Objects for a Prometheus operator in the cluster: what to scrape, how to log in there, and the alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta import v1 as meta

from app import contract
from app.contract import Role
from infra import naming
from infra.components import files
from infra.components.certificates import Certificates
from infra.components.component import Component
from infra.components.passwords import Passwords
from infra.observability import targets
from infra.observability.alerts import rule_groups
from infra.settings.backends import CloudNativePG, RabbitMQ
from infra.settings.stack import Stack

API_VERSION = "monitoring.coreos.com/v1"
INTERVAL = "15s"
#: The client certificate that relay, workers, archiver and beat ask for.
PROMETHEUS = str(Role.PROMETHEUS)
#: A person makes this key, with the scope metrics:read (docs/deployment.md), and puts it into this Secret.
GATEWAY_KEY = {"name": "prometheus-gateway", "key": "api_key"}


class Monitoring(Component):
    """PodMonitors, alert rules, and Prometheus' certificate and password beside them."""

    def __init__(
        self, stack: Stack, certificates: Certificates, passwords: Passwords, *, after: Sequence[pulumi.Resource]
    ) -> None:
        """Nothing where no Prometheus is named in the settings."""
        super().__init__("monitoring", stack, after=after)
        if stack.cluster.monitoring_namespace is not None:
            certificates.leaf(PROMETHEUS, [f"{PROMETHEUS}.{naming.NAMESPACE_APP}"], client=True)
            if isinstance(stack.broker, RabbitMQ):
                login: dict[str, pulumi.Input[str]] = {
                    "username": passwords.login(Role.PROMETHEUS),
                    "password": passwords.of(Role.PROMETHEUS, "rabbitmq"),
                }
                type_ = "kubernetes.io/basic-auth"
                files.secret(self, naming.RABBITMQ, f"{PROMETHEUS}-rabbitmq", login, type_=type_)
            self._pod_monitors()
            self._rules()
        self.register_outputs({})

    def _pod_monitors(self) -> None:
        workers = [naming.worker(pool.name) for pool in self.stack.workloads.own_pools]
        for component in (naming.RELAY, *workers, naming.ARCHIVER, naming.BEAT):
            client = {
                "cert": {"secret": {"name": naming.tls_secret(PROMETHEUS), "key": "tls.crt"}},
                "keySecret": {"name": naming.tls_secret(PROMETHEUS), "key": "tls.key"},
            }
            self._pod_monitor(component, [_endpoint("metrics", component, tls=client)])
        bearer: dict[str, Any] = {"authorization": {"type": "Bearer", "credentials": GATEWAY_KEY}}
        self._pod_monitor(naming.GATEWAY, [_endpoint("https", naming.GATEWAY, **bearer)])
        if isinstance(self.stack.broker, RabbitMQ):
            self._brokers()
        if isinstance(self.stack.database, CloudNativePG):
            self._pod_monitor(naming.POSTGRESQL, [{"port": "metrics", "interval": INTERVAL}])

    def _brokers(self) -> None:
        basic: dict[str, Any] = {
            "basicAuth": {part: {"name": f"{PROMETHEUS}-rabbitmq", "key": part} for part in ("username", "password")}
        }
        # Per queue, and only what the alerts read: the full list grows with every queue of the delay ladder.
        queues: dict[str, Any] = {
            "path": "/metrics/detailed",
            "params": {"family": ["queue_coarse_metrics", "queue_consumer_count"], "vhost": [contract.VHOST]},
        }
        self._pod_monitor(naming.RABBITMQ, [_endpoint("prometheus", naming.RABBITMQ, **basic)])
        per_queue = [_endpoint("prometheus", naming.RABBITMQ, **basic, **queues)]
        self._pod_monitor(naming.RABBITMQ, per_queue, name=targets.RABBITMQ_QUEUES)

    def _pod_monitor(self, component: str, endpoints: list[dict[str, Any]], *, name: str | None = None) -> None:
        CustomResource(
            f"{name or component}-monitor",
            api_version=API_VERSION,
            kind="PodMonitor",
            metadata=self._metadata(component, name or component),
            spec={
                "selector": {"matchLabels": naming.selector(component)},
                "podMetricsEndpoints": endpoints,
            },
            opts=self.child(),
        )

    def _rules(self) -> None:
        CustomResource(
            "rules",
            api_version=API_VERSION,
            kind="PrometheusRule",
            metadata=self._metadata(PROMETHEUS, naming.PART_OF),
            spec={"groups": rule_groups(targets.kubernetes(self.stack), self.stack.queues)},
            opts=self.child(),
        )

    def _metadata(self, component: str, name: str) -> meta.ObjectMetaArgs:
        """Name, namespace and labels, with those by which the operator selects objects."""
        return meta.ObjectMetaArgs(
            name=name,
            namespace=naming.namespace_of(component),
            labels=naming.labels(component, self.stack.environment) | self.stack.cluster.monitoring_object_labels,
        )


def _endpoint(port: str, component: str, *, tls: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A port of a component's pods, asked over TLS by the component's name: pods have addresses, certificates names."""
    authority = {"secret": {"name": naming.tls_secret(naming.AUTHORITY), "key": "ca.crt"}}
    return {
        "port": port,
        "scheme": "https",
        "interval": INTERVAL,
        "tlsConfig": {"ca": authority, "serverName": component, **(tls or {})},
        **more,
    }
