"""The ends of a connection: pods of ours, and probe pods in the place of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app import contract
from infra import naming
from infra.connections import Neighbour, components, connections
from infra.settings.stack import Stack
from tests.harness.kubernetes.kubectl import Kubectl
from tests.harness.kubernetes.listeners import listening

#: Ports that no connection names: ssh, the web, plain AMQP, Flower (reached by port-forward only), the usual others.
UNNAMED_PORTS = (22, 80, 5672, contract.PORT_FLOWER, 8080, contract.PORT_SENTINEL)
#: Replicas of a kind that are tried: to each other, and on more than one node.
PODS_OF_A_KIND = 2
LABEL_PROBE = "millrace.dev/e2e"
STRANGER_OUTSIDE = "stranger with a gateway's labels elsewhere"


@dataclass(frozen=True)
class End:
    """One end of a connection; the name is the table's where the table has it."""

    name: str
    address: str
    ports: tuple[int, ...]
    namespace: str = ""
    pod: str = ""
    container: str = ""
    listening: frozenset[int] = frozenset()

    @property
    def ours(self) -> bool:
        """Whether our policies concern it."""
        return self.namespace in naming.NAMESPACES

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.name} ({self.pod or self.address})"

    def with_listeners(self, kubectl: Kubectl) -> End:
        """The same, knowing where its processes listen."""
        return replace(self, listening=listening(kubectl, self.namespace, self.pod, self.container))


@dataclass(frozen=True)
class Wanted:
    """A probe pod that is to be made."""

    name: str
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()


def pod_ports(stack: Stack) -> tuple[int, ...]:
    """Every port that any connection names, and some that none does."""
    return tuple(sorted({*UNNAMED_PORTS, *(port for one in connections(stack) for port in one.ports)}))


def running_pods(kubectl: Kubectl, stack: Stack) -> tuple[End, ...]:
    """Of each kind at most two, on different nodes if there are such; never one that is about to end."""
    found: list[End] = []
    for part in components(stack):
        selector = ",".join(f"{key}={value}" for key, value in naming.selector(part.component).items())
        pods = [pod for pod in kubectl.get("pods", part.namespace, selector) if lasting(pod)]
        first, others = pods[:1], pods[1:]
        others.sort(key=lambda pod: pod["spec"]["nodeName"] == first[0]["spec"]["nodeName"])
        found += [_end(part.name, pod, pod_ports(stack)) for pod in (*first, *others[: PODS_OF_A_KIND - 1])]
    return tuple(found)


def lasting(pod: Mapping[str, Any]) -> bool:
    """Whether a pod runs, is ready, belongs to something that keeps it running, and is no probe of a test's."""
    metadata, status = pod["metadata"], pod["status"]
    owners = {owner["kind"] for owner in metadata.get("ownerReferences", ())}
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", ()))
    return (
        ready and "deletionTimestamp" not in metadata and LABEL_PROBE not in metadata["labels"] and "Job" not in owners
    )


def wanted_probes(stack: Stack, running: tuple[End, ...]) -> tuple[Wanted, ...]:
    """For each kind without a running pod, for each neighbour of the table, and for strangers.

    Never for a kind that runs: its Services, scalers and disruption budgets would count the probe.
    """
    ports = pod_ports(stack)
    present = {end.name for end in running}
    ours = [
        Wanted(part.name, part.namespace, naming.selector(part.component), ports)
        for part in components(stack)
        if part.name not in present
    ]
    neighbours = [Wanted(one.name, one.namespace, dict(one.labels), ports) for one in neighbours_of(stack)]
    return (*ours, *neighbours, *strangers(stack))


def neighbours_of(stack: Stack) -> tuple[Neighbour, ...]:
    """Other people's pods that the table names."""
    parties = (end for one in connections(stack) for end in (one.source, one.destination))
    return tuple(sorted({end for end in parties if isinstance(end, Neighbour)}))


def strangers(stack: Stack) -> tuple[Wanted, ...]:
    """Pods that have no business with ours: the right place without the labels, the right labels elsewhere.

    A load balancer outside the cluster has no place in it that anybody could stand in.
    """
    ports = pod_ports(stack)
    controller = stack.workloads.gateway.ingress.controller_namespace
    return (
        Wanted(STRANGER_OUTSIDE, "default", naming.selector(naming.GATEWAY), ports),
        *(() if controller is None else (Wanted("stranger beside the ingress controller", controller, {}, ports),)),
        *(Wanted(f"stranger in {namespace}", namespace, {}, ports) for namespace in naming.NAMESPACES),
    )


def _end(name: str, pod: Mapping[str, Any], ports: tuple[int, ...]) -> End:
    metadata, container = pod["metadata"], pod["spec"]["containers"][0]["name"]
    return End(name, pod["status"]["podIP"], ports, metadata["namespace"], metadata["name"], container)
