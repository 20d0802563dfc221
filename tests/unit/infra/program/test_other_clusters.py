"""Clusters of other people: the examples of docs/stacks keep every rule, and policies say what a cluster has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from app.settings import Settings
from infra import naming
from infra.ingress_classes import BODY_MAX_BYTES, known
from infra.policy.model import Context
from infra.policy.registry import check
from infra.settings.load import read_stack_file
from tests.unit.infra.program.network import End, allows
from tests.unit.infra.stacks import ROOT, Rendered, config_of, render

EXAMPLES = sorted((ROOT / "docs" / "stacks").glob("Pulumi.*.yaml"))
GATEWAY = End("gateway", naming.NAMESPACE_APP, naming.selector(naming.GATEWAY))
KUBE_DNS = End("kube-dns", "kube-system", {"k8s-app": "kube-dns"})
NODE_LOCAL_POD = End("node-local-dns", "kube-system", {"k8s-app": "node-local-dns"})
NODE_LOCAL = End("NodeLocal DNSCache", address="169.254.20.10")
AUTO_MODE = End("DNS of EKS Auto Mode", address="172.20.0.10")


@pytest.fixture(scope="module")
def examples() -> dict[str, Rendered]:
    """Each example, rendered."""
    return {path.name.split(".")[1]: render(path.name.split(".")[1], read_stack_file(path)) for path in EXAMPLES}


def _staging(key: str, **changed: Any) -> Rendered:
    config = config_of("staging")
    config[f"millrace:{key}"] = json.dumps({**json.loads(config[f"millrace:{key}"]), **changed})
    return render("staging", config)


def test_there_is_one_for_each_kind_of_cluster(examples: Mapping[str, Rendered]) -> None:
    """On AWS, on Google, and of one's own."""
    assert set(examples) == {"eks", "gke", "bare"}


@pytest.mark.parametrize("name", ["eks", "gke", "bare"])
def test_an_example_breaks_no_policy(examples: Mapping[str, Rendered], name: str) -> None:
    """Its ingress reaches the gateway by HTTPS; nothing is open that need not be."""
    rendered = examples[name]

    assert [str(one) for one in check(rendered.bodies(), Context(rendered.stack.environment))] == []


@pytest.mark.parametrize(
    ("name", "servers", "others"),
    [
        ("gke", [KUBE_DNS, NODE_LOCAL_POD, NODE_LOCAL], [AUTO_MODE]),
        ("eks", [AUTO_MODE], [KUBE_DNS, NODE_LOCAL]),
        ("bare", [KUBE_DNS], [NODE_LOCAL, NODE_LOCAL_POD, AUTO_MODE]),
    ],
)
def test_pods_may_ask_the_clusters_own_dns(
    examples: Mapping[str, Rendered], name: str, servers: list[End], others: list[End]
) -> None:
    """Over UDP and TCP; on a cluster whose DNS is no pod they would find nobody."""
    policies = examples[name].bodies("NetworkPolicy")

    for protocol in ("UDP", "TCP"):
        assert all(allows(policies, GATEWAY, server, 53, protocol) for server in servers)
        assert not any(allows(policies, GATEWAY, other, 53, protocol) for other in others)


@pytest.mark.parametrize(("name", "address"), [("eks", "10.0.16.7"), ("gke", "130.211.1.2")])
def test_a_load_balancer_outside_the_cluster_reaches_the_gateway(
    examples: Mapping[str, Rendered], name: str, address: str
) -> None:
    """From its networks only, and nothing but the gateway."""
    policies = examples[name].bodies("NetworkPolicy")
    balancer, stranger = End("load balancer", address=address), End("stranger", address="203.0.113.9")
    relay = End("relay", naming.NAMESPACE_APP, naming.selector(naming.RELAY))

    assert allows(policies, balancer, GATEWAY, 8443)
    assert not allows(policies, stranger, GATEWAY, 8443)
    assert not allows(policies, balancer, relay, 9464)


def test_gke_finds_its_class_in_the_annotation(examples: Mapping[str, Rendered]) -> None:
    """Its controller does not look at the field."""
    ingress = examples["gke"].one("Ingress", "gateway").body

    assert ingress["metadata"]["annotations"]["kubernetes.io/ingress.class"] == "gce"
    assert "ingressClassName" not in ingress["spec"]


def test_the_body_limit_is_the_gateways() -> None:
    """What a controller must let through is the largest that the gateway takes."""
    fields = Settings.model_fields
    largest = max(fields["upload_max_bytes"].default, fields["request_max_bytes"].default)
    nginx = known("nginx")
    assert nginx is not None

    assert largest == BODY_MAX_BYTES
    assert nginx.body_fits({"nginx.org/client-max-body-size": "64m"})
    assert nginx.body_fits({"nginx.org/client-max-body-size": "0"})
    assert not nginx.body_fits({"nginx.org/client-max-body-size": "63m"})
    assert not nginx.body_fits({})


@pytest.mark.parametrize("zones", [1, 2, 3])
def test_pods_spread_over_as_many_zones_as_there_are(zones: int) -> None:
    """With two as with three: of three brokers at least one is elsewhere."""
    rendered = _staging("cluster", zones=zones)
    for body in rendered.bodies("StatefulSet", "Deployment"):
        spread = body["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert ("topology.kubernetes.io/zone" in {one["topologyKey"] for one in spread}) is (zones > 1)


def test_what_holds_data_finds_room_before_workers(rendered: Rendered) -> None:
    """Brokers, databases and Redis are of a class that no worker has."""
    priority = rendered.one("PriorityClass", naming.PRIORITY_DATA).body
    assert priority["value"] > 0
    assert priority["globalDefault"] is False
    pods = {
        body["metadata"]["name"]: body["spec"]["template"]["spec"].get("priorityClassName")
        for body in rendered.bodies("StatefulSet", "Deployment")
    }
    assert {name for name, found in pods.items() if found == naming.PRIORITY_DATA} == {
        name for name in pods if naming.namespace_of(name) == naming.NAMESPACE_DATA
    }
    assert {"rabbitmq", "redis", "pgbouncer"} <= {name for name, found in pods.items() if found}
    assert all(body["spec"]["priorityClassName"] == naming.PRIORITY_DATA for body in rendered.bodies("Cluster"))
