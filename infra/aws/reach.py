"""Reach on AWS: the connection table, if its far side is a managed server, and what EKS itself needs.

A security group is on a node, and a node carries pods of every kind. So a managed server opens to the nodes the ports
that the table knows; which pod may use them is the NetworkPolicies' part, and they come from the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from app import contract
from infra.connections import Party, broker, connections, database, result_backend
from infra.settings.managed import PORT_HTTPS
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
#: Where the application has each server, and the managed one's port for each port that it uses there. AWS serves no
#: metrics and no cluster ports; Amazon MQ has the management API beside its console.
SERVED: Mapping[str, tuple[Callable[[Stack], Party], Mapping[int, int]]] = {
    DATABASE: (database, {contract.PORT_POSTGRESQL: contract.PORT_POSTGRESQL}),
    CACHE: (result_backend, {contract.PORT_REDIS: contract.PORT_REDIS}),
    BROKER: (
        broker,
        {
            contract.PORT_AMQPS: contract.PORT_AMQPS,
            contract.PORT_RABBITMQ_MANAGEMENT: PORT_HTTPS,
            PORT_HTTPS: PORT_HTTPS,
        },
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
    find, served = SERVED[server]
    place = find(stack)
    ports = {
        served[port]
        for connection in connections(stack)
        if connection.destination == place and connection.source != place
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
