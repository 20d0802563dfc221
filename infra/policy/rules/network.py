"""Network policies: everything is denied, and what is allowed says to whom and on which port."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.policy.manifests import at, items, kind, mapping, name, namespace, of_kind, whole
from infra.policy.model import Context, Finding, Manifest, ResourceRule, StackRule
from infra.policy.pods import pod

DIRECTIONS = {"ingress": "from", "egress": "to"}
#: Nothing we connect to is a network as large as this; half of the internet is as bad as all of it.
WIDEST_PREFIX = 8
#: RabbitMQ's CLI tools need eleven ports in a row; more is not a range but a hole.
WIDEST_PORT_RANGE = 100


def _denied(policy: Manifest) -> set[tuple[str, str]]:
    """The directions that this policy closes for its whole namespace."""
    spec = mapping(policy.get("spec"))
    everybody = "podSelector" in spec and not any(mapping(spec["podSelector"]).values())
    directions = {str(direction).lower() for direction in items(spec.get("policyTypes"))}
    return {(namespace(policy), direction) for direction in directions if everybody and not spec.get(direction)}


def _default_deny(manifests: Sequence[Manifest], _: Context) -> Iterator[Finding]:
    denied = {closed for policy in of_kind(manifests, "NetworkPolicy") for closed in _denied(policy)}
    places = {namespace(manifest): manifest for manifest in manifests if pod(manifest)}
    places |= {name(manifest): manifest for manifest in of_kind(manifests, "Namespace")}
    for place, manifest in places.items():
        for direction in DIRECTIONS:
            if (place, direction) not in denied:
                advice = f"add a NetworkPolicy with podSelector {{}}, policyTypes both and no rules to {place}"
                yield Finding(manifest, f"namespace {place}, {direction}", "allowed by default", advice)


def _rules(policy: Manifest) -> Iterator[tuple[str, str, Any]]:
    """Every rule of a policy: its path, the field of its peers, itself."""
    if kind(policy) == "NetworkPolicy":
        for direction, field in DIRECTIONS.items():
            for index, rule in enumerate(items(at(policy, "spec", direction))):
                yield f"spec.{direction}[{index}]", field, rule


def _narrow(policy: Manifest, _: Context) -> Iterator[Finding]:
    for path, field, rule in _rules(policy):
        if not items(at(rule, field)):
            yield Finding(policy, f"{path}.{field}", at(rule, field), "name the peers; an empty list is everybody")
        for index, peer in enumerate(items(at(rule, field))):
            if _wide(mapping(peer)):
                advice = "name labels; an empty selector is every pod, or every namespace"
                yield Finding(policy, f"{path}.{field}[{index}]", peer, advice)
        if not items(at(rule, "ports")):
            yield Finding(policy, f"{path}.ports", at(rule, "ports"), "name the ports; an empty list is all of them")
        for index, port in enumerate(items(at(rule, "ports"))):
            first, last = at(port, "port"), whole(at(port, "endPort"))
            if first is None or (last is not None and last - (whole(first) or 0) > WIDEST_PORT_RANGE):
                yield Finding(policy, f"{path}.ports[{index}]", port, "name the port itself")


def _wide(peer: Mapping[str, Any]) -> bool:
    """Its namespaces must be named, else its pods, else its addresses."""
    named = peer.get("namespaceSelector", peer.get("podSelector", peer.get("ipBlock")))
    return not any(mapping(named).values())


def _prefix(cidr: Any) -> int:
    try:
        return ipaddress.ip_network(cidr, strict=False).prefixlen
    except ValueError:
        return 0


def _no_world(policy: Manifest, _: Context) -> Iterator[Finding]:
    for path, field, rule in _rules(policy):
        for index, peer in enumerate(items(at(rule, field))):
            cidr = at(peer, "ipBlock", "cidr")
            if cidr and _prefix(cidr) < WIDEST_PREFIX:
                where = f"{path}.{field}[{index}].ipBlock.cidr"
                yield Finding(policy, where, cidr, "name the networks that are needed; nothing here needs the internet")


def _and_not_or(policy: Manifest, _: Context) -> Iterator[Finding]:
    for path, field, rule in _rules(policy):
        for index, peer in enumerate(items(at(rule, field))):
            if "namespaceSelector" in mapping(peer) and "podSelector" not in peer:
                yield Finding(
                    policy,
                    f"{path}.{field}[{index}]",
                    peer,
                    "put podSelector into the same element; two elements mean either, not both",
                )


RULES = (
    StackRule(
        name="network-default-deny",
        description="Every namespace denies all traffic in both directions unless a policy allows it.",
        reason="A pod that no policy selects talks to everything: the internet, the metadata service, the database.",
        check=_default_deny,
    ),
    ResourceRule(
        name="network-rules-narrow",
        description="No rule of a NetworkPolicy leaves peers or ports empty.",
        reason="An empty list reads like nothing and means everything.",
        check=_narrow,
    ),
    ResourceRule(
        name="network-no-internet",
        description=f"No NetworkPolicy names a network wider than /{WIDEST_PREFIX}, such as 0.0.0.0/0.",
        reason="Nothing here needs the internet; what takes data out does.",
        check=_no_world,
    ),
    ResourceRule(
        name="network-and-not-or",
        description="In a NetworkPolicy a namespaceSelector stands together with a podSelector, in one element.",
        reason="As two elements they mean: every pod of that namespace, or such a pod of any. Nobody means that.",
        check=_and_not_or,
    ),
)
