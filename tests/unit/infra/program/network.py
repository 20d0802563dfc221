"""What NetworkPolicies allow, read from their manifests as Kubernetes documents it. Knows nothing of our code.

https://kubernetes.io/docs/concepts/services-networking/network-policies/: a pod that no policy selects for a direction
may do anything in it; one that is selected may do what any of the policies selecting it allows. A connection needs
both ends to agree. Ends without policies of ours (other namespaces, addresses outside) agree to everything.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class End:
    """A pod (namespace and labels) or, without a namespace, an address."""

    name: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str = ""


def allows(policies: Sequence[Manifest], source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    """Whether this connection comes about."""
    return _agrees(policies, source, target, "Egress", port, protocol) and _agrees(
        policies, target, source, "Ingress", port, protocol
    )


def selects(policy: Manifest, end: End) -> bool:
    """Whether the policy is about this pod."""
    return (
        bool(end.namespace)
        and policy["metadata"]["namespace"] == end.namespace
        and _selects(policy["spec"]["podSelector"], end.labels)
    )


def _agrees(policies: Sequence[Manifest], pod: End, other: End, direction: str, port: int, protocol: str) -> bool:
    selecting = [policy["spec"] for policy in policies if selects(policy, pod) and direction in _types(policy["spec"])]
    if not selecting:
        return True
    rules, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    return any(_rule_allows(rule, peers, other, port, protocol) for spec in selecting for rule in spec.get(rules) or [])


def _types(spec: Manifest) -> Sequence[str]:
    given: Sequence[str] | None = spec.get("policyTypes")
    if given is not None:
        return given
    return ["Ingress", "Egress"] if "egress" in spec else ["Ingress"]


def _rule_allows(rule: Manifest, peers: str, other: End, port: int, protocol: str) -> bool:
    """Empty or missing peers mean everybody, empty or missing ports every port."""
    peer_matches = not rule.get(peers) or any(_is(peer, other) for peer in rule[peers])
    port_matches = not rule.get("ports") or any(_covers(one, port, protocol) for one in rule["ports"])
    return peer_matches and port_matches


def _is(peer: Manifest, other: End) -> bool:
    if "ipBlock" in peer:
        if not other.address:
            return False
        address = ipaddress.ip_address(other.address)
        block = peer["ipBlock"]
        return address in ipaddress.ip_network(block["cidr"]) and not any(
            address in ipaddress.ip_network(hole) for hole in block.get("except", [])
        )
    if not other.namespace:
        return False
    if "namespaceSelector" in peer:
        in_namespace = _selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": other.namespace})
    else:
        raise AssertionError(f"a peer without namespaceSelector means the policy's own namespace; say it: {peer}")
    return in_namespace and _selects(peer.get("podSelector", {}), other.labels)


def _covers(one: Manifest, port: int, protocol: str) -> bool:
    if one.get("protocol", "TCP") != protocol:
        return False
    if "port" not in one:
        return True
    assert isinstance(one["port"], int), "named ports depend on the pod"
    return bool(one["port"] <= port <= one.get("endPort", one["port"]))


def _selects(selector: Manifest, labels: Mapping[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}, f"expressions are not read here: {selector}"
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
