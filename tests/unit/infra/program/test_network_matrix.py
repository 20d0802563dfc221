"""P8 on paper: what the rendered policies allow is the connection table, no pair and no port more or less."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from infra.connections import Connection, Network, Pods, connections
from tests.unit.infra.program.network import End, allows, selects
from tests.unit.infra.stacks import Rendered

Triple = tuple[str, str, int]
#: Somebody who has no business here, outside and inside.
STRANGERS = (
    End("stranger elsewhere", "default", {"app.kubernetes.io/name": "gateway"}),
    End("unlabelled pod in millrace", "millrace", {}),
    End("unlabelled pod in millrace-data", "millrace-data", {}),
    End("internet", address="1.1.1.1"),
    End("metadata service", address="169.254.169.254"),
    End("a node", address="192.168.7.7"),
)
DNS = End("DNS", "kube-system", {"k8s-app": "kube-dns"})
#: Every port in the table, and those that must not answer: plain AMQP, management, etcd, kubelet, ssh, the web.
FORBIDDEN_PORTS = (22, 80, 443, 2379, 5433, 5672, 6380, 8000, 8080, 10250, 15672, 15692)


def _pods(rendered: Rendered) -> list[End]:
    """Every kind of pod in the manifests, with the labels it will really have."""
    found: dict[str, End] = {}
    for body in rendered.bodies():
        spec, namespace = body.get("spec", {}), body["metadata"].get("namespace", "")
        match body["kind"]:
            case "Deployment" | "StatefulSet" | "Job":
                labels = spec["template"]["metadata"]["labels"]
            case "CronJob":
                labels = spec["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
            case "Cluster":
                labels = spec["inheritedMetadata"]["labels"]
            case _:
                continue
        found[labels["app.kubernetes.io/name"]] = End(labels["app.kubernetes.io/name"], namespace, labels)
    return list(found.values())


def _neighbours(table: Sequence[Connection]) -> list[End]:
    ends = {end for one in table for end in (one.source, one.destination) if not isinstance(end, Pods)}
    return [
        End(end.name, address=end.cidrs[0].partition("/")[0])
        if isinstance(end, Network)
        else End(end.name, end.namespace, dict(end.labels))
        for end in ends
    ]


def _universe(rendered: Rendered) -> tuple[list[End], list[int]]:
    table = connections(rendered.stack)
    ends = [*_pods(rendered), *_neighbours(table), *STRANGERS, DNS]
    ports = sorted({*FORBIDDEN_PORTS, *(port for one in table for port in one.ports), 53})
    return ends, ports


def _ours(end: End) -> bool:
    return end.namespace in {"millrace", "millrace-data"}


def _pairs(rendered: Rendered) -> Iterator[tuple[End, End, int]]:
    """All connections of which one end at least is ours."""
    ends, ports = _universe(rendered)
    for source, target in itertools.product(ends, ends):
        if _ours(source) or _ours(target):
            for port in ports:
                yield source, target, port


def _matrix(rendered: Rendered, policies: Sequence[Mapping[str, Any]]) -> set[Triple]:
    """Those that come about."""
    return {
        (source.name, target.name, port)
        for source, target, port in _pairs(rendered)
        if allows(policies, source, target, port)
    }


def _table(rendered: Rendered) -> set[Triple]:
    """What the table says, and that every pod of ours, whatever it is, may ask DNS."""
    ends, _ = _universe(rendered)
    return {
        (one.source.name, one.destination.name, port) for one in connections(rendered.stack) for port in one.ports
    } | {(end.name, DNS.name, 53) for end in ends if _ours(end)}


def test_the_policies_are_the_table(rendered: Rendered) -> None:
    """Over all pairs of ends and all ports."""
    policies = rendered.bodies("NetworkPolicy")
    assert _matrix(rendered, policies) == _table(rendered)


def test_every_pod_is_in_the_table(rendered: Rendered) -> None:
    """A component that nobody put there would have no policy of its own."""
    named = {end.name for one in connections(rendered.stack) for end in (one.source, one.destination)}
    assert {pod.name for pod in _pods(rendered)} <= named


def test_the_internet_is_out_of_reach(rendered: Rendered) -> None:
    """Of every pod, on every port; and we of its."""
    policies = rendered.bodies("NetworkPolicy")
    for pod in _pods(rendered):
        for stranger in STRANGERS:
            if not _ours(stranger):
                assert not any(allows(policies, pod, stranger, port) for port in range(1, 65536, 997))
                assert not any(allows(policies, stranger, pod, port) for port in (53, *FORBIDDEN_PORTS, 8443, 5671))


def test_dns_is_over_udp_too(rendered: Rendered) -> None:
    """And nothing else is."""
    policies = rendered.bodies("NetworkPolicy")
    for pod in _pods(rendered):
        assert allows(policies, pod, DNS, 53, "UDP")
        assert not any(allows(policies, pod, other, 5671, "UDP") for other in _pods(rendered))


def _names(rendered: Rendered) -> list[str]:
    return [f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in rendered.bodies("NetworkPolicy")]


def test_without_any_one_policy_the_matrix_is_another(rendered: Rendered) -> None:
    """The first test would turn red: each policy is needed. Only ends that it selects are asked, until one differs."""
    policies, table, pairs = rendered.bodies("NetworkPolicy"), _table(rendered), list(_pairs(rendered))

    def needed(policy: Mapping[str, Any]) -> bool:
        others = [other for other in policies if other is not policy]
        return any(
            allows(others, source, target, port) != ((source.name, target.name, port) in table)
            for source, target, port in pairs
            if selects(policy, source) or selects(policy, target)
        )

    assert [name for name, policy in zip(_names(rendered), policies, strict=True) if not needed(policy)] == []


@pytest.mark.parametrize("fault", ["a rule gone", "a port more", "everybody", "any port", "either instead of both"])
def test_a_planted_fault_is_seen(both: dict[str, Rendered], fault: str) -> None:
    """What a slip in the generator would look like."""
    rendered = both["staging"]
    policies = copy.deepcopy([dict(one) for one in rendered.bodies("NetworkPolicy")])
    [gateway] = [one for one in policies if one["metadata"]["name"] == "gateway"]
    rule = gateway["spec"]["ingress"][0]
    match fault:
        case "a rule gone":
            gateway["spec"]["egress"].pop()
        case "a port more":
            rule["ports"].append({"port": 8080, "protocol": "TCP"})
        case "everybody":
            rule["from"] = []
        case "any port":
            rule["ports"] = []
        case _:
            [peer] = rule["from"]
            rule["from"] = [{"namespaceSelector": peer["namespaceSelector"]}, {"namespaceSelector": {}, **peer}]
    found = _matrix(rendered, policies)
    if fault == "either instead of both":
        # Seen only by somebody in the right namespace with other labels.
        controller = rendered.stack.workloads.gateway.ingress.controller_namespace
        assert controller is not None
        intruder = End("intruder", controller, {})
        [target] = [pod for pod in _pods(rendered) if pod.name == "gateway"]
        assert allows(policies, intruder, target, 8443)
        assert not allows(rendered.bodies("NetworkPolicy"), intruder, target, 8443)
    else:
        assert found != _table(rendered)
