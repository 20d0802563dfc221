"""Addresses that are not ours and can be reached, or might be, from a pod that no policy holds back."""

from __future__ import annotations

from collections.abc import Iterator

from infra.settings.stack import Stack
from tests.harness.kubernetes.ends import End, neighbours_of
from tests.harness.kubernetes.kubectl import Kubectl

#: The table's name for it, and ours for what every pod may ask.
API_SERVER = "API server"
DNS = "DNS"


def outside(kubectl: Kubectl, stack: Stack) -> tuple[End, ...]:
    """What pods must not reach, though it is there (or might be): as addresses."""
    return (End("internet", "1.1.1.1", (443, 80)), End("metadata service", "169.254.169.254", (80,)),
        *_cluster(kubectl), *_others(kubectl, stack))  # fmt: skip


def _cluster(kubectl: Kubectl) -> Iterator[End]:
    for node in kubectl.get("nodes"):
        addresses = [one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP"]
        yield End(f"kubelet of {node['metadata']['name']}", addresses[0], (22, 10250))
    service = kubectl.one("service", "default", "kubernetes")
    yield End(API_SERVER, service["spec"]["clusterIP"], (443,))
    for address, ports in _endpoints(kubectl, "default", "kubernetes.io/service-name=kubernetes"):
        yield End(API_SERVER, address, ports)
    for pod in kubectl.get("pods", "kube-system", "k8s-app=kube-dns"):
        yield End(DNS, pod["status"]["podIP"], (53, 8080, 9153), namespace="kube-system")


def _others(kubectl: Kubectl, stack: Stack) -> Iterator[End]:
    """Servers of neighbours: their own, not our probes there."""
    for namespace in sorted({one.namespace for one in neighbours_of(stack)}):
        for address, ports in _endpoints(kubectl, namespace, ""):
            yield End(f"a server in {namespace}", address, ports, namespace=namespace)


def _endpoints(kubectl: Kubectl, namespace: str, selector: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in kubectl.get("endpointslices", namespace, selector):
        ports = tuple(one["port"] for one in part.get("ports") or () if one.get("protocol", "TCP") == "TCP")
        for endpoint in part.get("endpoints") or ():
            if endpoint.get("conditions", {}).get("ready") is not False and part["addressType"] == "IPv4":
                yield endpoint["addresses"][0], ports
