"""Destroying: what a person takes away, and what stays for another day."""

from __future__ import annotations

from infra import naming
from tests.harness.kubernetes.deployment import Deployer
from tests.harness.kubernetes.kubectl import Kubectl

_DESTROY_SECONDS = 300
_GONE = ("deployments", "statefulsets", "jobs", "cronjobs", "pods", "services", "configmaps", "certificates")


def test_destroy_leaves_what_volumes_need_and_nothing_else(deployer: Deployer, kubectl: Kubectl) -> None:
    """Within its bound; the data, the passwords to it and the certificates stay, with their namespaces."""
    volumes = {claim["metadata"]["uid"] for claim in kubectl.get("persistentvolumeclaims", naming.NAMESPACE_DATA)}
    assert volumes
    gone = deployer.destroy("--seconds", str(_DESTROY_SECONDS))
    assert gone.exit_code == 0, gone.said
    for namespace in naming.NAMESPACES:
        for kind in _GONE:
            left = {each["metadata"]["name"] for each in kubectl.get(kind, namespace)}
            # Every namespace has this one, from Kubernetes itself.
            assert left <= {"kube-root-ca.crt"}, f"{kind} in {namespace}: {left}"
    assert {
        claim["metadata"]["uid"] for claim in kubectl.get("persistentvolumeclaims", naming.NAMESPACE_DATA)
    } == volumes
    secrets = {
        secret["metadata"]["name"]: secret["type"]
        for namespace in naming.NAMESPACES
        for secret in kubectl.get("secrets", namespace)
    }
    assert "millrace-generated" in secrets, "without the passwords the volumes are of no use"
    # cert-manager leaves what it issued; the API key for Prometheus is not the stack's.
    others = {name for name, kind in secrets.items() if kind != "kubernetes.io/tls"}
    assert others <= {"millrace-generated", "prometheus-gateway"}
