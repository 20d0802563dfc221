"""Who reaches whom on AWS: the connection table, where its far side is a managed server, and what EKS itself needs.

A security group is on a node, and a node carries pods of every kind. So a managed server opens to the nodes the ports
that the table knows; which pod may use them is the NetworkPolicies' part, and they come from the same table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app import contract
from infra import naming
from infra.connections import PORT_HTTPS, Pods, connections
from infra.settings.stack import Stack

NODES = "nodes"
CONTROL_PLANE = "control-plane"
ENDPOINTS = "endpoints"
DATABASE = "database"
CACHE = "cache"
BROKER = "broker"

#: The API server asks kubelets for logs; and metrics-server, admission and KEDA for answers.
PORT_KUBELET = 10250
PORTS_WEBHOOKS = (4443, 6443, 8443, 9443)
EVERY_PORT = 0
#: The port of a managed server for each port of our own servers. AWS serves no metrics and no cluster ports.
SERVED = {
    DATABASE: (naming.POSTGRESQL, {contract.PORT_POSTGRESQL: contract.PORT_POSTGRESQL}),
    CACHE: (naming.REDIS, {contract.PORT_REDIS: contract.PORT_REDIS}),
    BROKER: (
        naming.RABBITMQ,
        # Amazon MQ has the management API beside its console.
        {contract.PORT_AMQPS: contract.PORT_AMQPS, contract.PORT_RABBITMQ_MANAGEMENT: PORT_HTTPS},
    ),
}


@dataclass(frozen=True, order=True)
class Opening:
    """One arrow between two groups, on a TCP port, or on every port and protocol."""

    source: str
    destination: str
    port: int
    why: str


def openings(stack: Stack, *, managed_broker: bool) -> tuple[Opening, ...]:
    """Every arrow there is; all others are refused. A broker that is no server of ours in the network has none."""
    servers = [DATABASE, CACHE, *([BROKER] if managed_broker else [])]
    return (*(one for server in servers for one in _served(stack, server)), *_cluster())


def _served(stack: Stack, server: str) -> Iterator[Opening]:
    component, served = SERVED[server]
    ports = {
        served[port]
        for connection in connections(stack)
        if connection.destination == Pods(component) and connection.source != connection.destination
        for port in connection.ports
        if port in served
    }
    for port in sorted(ports):
        yield Opening(NODES, server, port, f"{server}: the connection table")


def _cluster() -> Iterator[Opening]:
    yield Opening(NODES, ENDPOINTS, PORT_HTTPS, "the APIs of AWS")
    yield Opening(NODES, CONTROL_PLANE, PORT_HTTPS, "the API server")
    for port in (PORT_KUBELET, *PORTS_WEBHOOKS):
        yield Opening(CONTROL_PLANE, NODES, port, "kubelets, webhooks and aggregated APIs")
    yield Opening(NODES, NODES, EVERY_PORT, "pods have addresses of the nodes: NetworkPolicies decide")
