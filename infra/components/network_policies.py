"""Default deny in both directions, and what the connection table allows. No rule is written by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.meta import v1 as meta
from pulumi_kubernetes.networking import v1 as networking

from infra import naming
from infra.components.component import Component
from infra.connections import PORT_DNS, Connection, Network, Party, Pods, components, connections
from infra.settings.stack import Dns, Stack


class NetworkPolicies(Component):
    """One policy a namespace that denies, one that lets it ask DNS, one a component that says the rest."""

    def __init__(self, stack: Stack, *, after: Sequence[pulumi.Resource]) -> None:
        """All of them, before anything runs."""
        super().__init__("network-policies", stack, after=after)
        for namespace in naming.NAMESPACES:
            self._policy("default-deny", namespace, networking.NetworkPolicySpecArgs(
                pod_selector=meta.LabelSelectorArgs(), policy_types=["Ingress", "Egress"],
            ))  # fmt: skip
            self._policy("allow-dns", namespace, networking.NetworkPolicySpecArgs(
                pod_selector=meta.LabelSelectorArgs(), policy_types=["Egress"], egress=[_dns(stack.cluster.dns)],
            ))  # fmt: skip
        table = connections(stack)
        for pods in components(stack):
            self._policy(pods.component, pods.namespace, spec_of(pods, table))
        self.register_outputs({})

    def _policy(self, name: str, namespace: str, spec: networking.NetworkPolicySpecArgs) -> None:
        networking.NetworkPolicy(
            f"{namespace}-{name}",
            metadata=meta.ObjectMetaArgs(
                name=name, namespace=namespace, labels=naming.labels(name, self.stack.environment)
            ),
            spec=spec,
            opts=self.child(),
        )


def spec_of(pods: Pods, table: Sequence[Connection]) -> networking.NetworkPolicySpecArgs:
    """What one component may open and accept. Both lists are there even when empty: nothing is allowed by omission."""
    return networking.NetworkPolicySpecArgs(
        pod_selector=meta.LabelSelectorArgs(match_labels=naming.selector(pods.component)),
        policy_types=["Ingress", "Egress"],
        ingress=[
            networking.NetworkPolicyIngressRuleArgs(from_=_peers(one.source), ports=_ports(one.ports))
            for one in table
            if one.destination == pods
        ],
        egress=[
            networking.NetworkPolicyEgressRuleArgs(to=_peers(one.destination), ports=_ports(one.ports))
            for one in table
            if one.source == pods
        ],
    )


def _peers(party: Party) -> list[networking.NetworkPolicyPeerArgs]:
    """A namespace and its pods stand in one element: in two they would mean "either"."""
    if isinstance(party, Network):
        return [networking.NetworkPolicyPeerArgs(ip_block=networking.IPBlockArgs(cidr=cidr)) for cidr in party.cidrs]
    labels = naming.selector(party.component) if isinstance(party, Pods) else dict(party.labels)
    return [_pods_in(party.namespace, labels)]


def _pods_in(namespace: str, labels: dict[str, str]) -> networking.NetworkPolicyPeerArgs:
    return networking.NetworkPolicyPeerArgs(
        namespace_selector=meta.LabelSelectorArgs(match_labels={naming.LABEL_NAMESPACE: namespace}),
        pod_selector=meta.LabelSelectorArgs(match_labels=labels),
    )


def _ports(ports: Sequence[int], protocol: str = "TCP") -> list[networking.NetworkPolicyPortArgs]:
    return [networking.NetworkPolicyPortArgs(port=port, protocol=protocol) for port in ports]


def _dns(dns: Dns) -> networking.NetworkPolicyEgressRuleArgs:
    return networking.NetworkPolicyEgressRuleArgs(
        to=[*(_pods_in(dns.namespace, labels) for labels in dns.pods), *_peers(Network("DNS", dns.cidrs))],
        ports=[*_ports([PORT_DNS], "UDP"), *_ports([PORT_DNS])],
    )
