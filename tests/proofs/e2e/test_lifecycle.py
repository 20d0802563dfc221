"""Deploying again, changing one thing, failing to, and destroying: what a deployment does to what already runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra import naming
from tests.harness.waiting import eventually
from tests.proofs.e2e.harness.deployment import Deployer, Settings
from tests.proofs.e2e.harness.kubectl import Kubectl
from tests.proofs.e2e.harness.target import REPOSITORY

_NOWHERE = "sha256:" + "0" * 64
_DESTROY_SECONDS = 300
_GONE = ("deployments", "statefulsets", "jobs", "cronjobs", "pods", "services", "configmaps", "certificates")
_SCALED = {"gateway", "worker-bulk", "worker-interactive"}


@pytest.fixture
def deployer(kubectl: Kubectl, tmp_path: Path) -> Deployer:
    """Of the stack that is deployed."""
    file = REPOSITORY / os.environ["MILLRACE_STACK_FILE"]
    return Deployer(kubectl, file, tmp_path)


def test_a_second_deployment_changes_nothing(deployer: Deployer) -> None:
    """Every object as it was, and every pod."""
    before = deployer.pods()
    again = deployer.up()
    assert again.exit_code == 0, again.said
    assert set(again.counts) == {"unchanged"}
    after = deployer.pods()
    # A scaler adds and removes pods at any time; what it does not own stays.
    assert {name: pods for name, pods in after.items() if name not in _SCALED} == {
        name: pods for name, pods in before.items() if name not in _SCALED
    }


def test_a_change_rolls_what_it_concerns(deployer: Deployer) -> None:
    """More memory for the relay: new relays, and nobody else's pods."""

    def more(settings: Settings) -> None:
        settings["millrace:workloads"]["relay"]["resources"]["memory"] = "208Mi"

    before = deployer.pods()
    try:
        changed = deployer.up(more)
        assert changed.exit_code == 0, changed.said
        # The quota is the sum of what all may ask for.
        assert {each for each in changed.changed if not each.startswith("ResourceQuota ")} == {
            "Deployment millrace/relay"
        }
        after = deployer.pods()
        assert not after["relay"] & before["relay"]
        for name in before.keys() - _SCALED - {"relay"}:
            assert after[name] == before[name], name
    finally:
        assert deployer.up().exit_code == 0


def test_a_bad_image_harms_nothing_and_is_taken_back(deployer: Deployer, kubectl: Kubectl) -> None:
    """An image that nobody has stops at the migration: what runs is not touched, and the old settings bring it back."""

    def bad(settings: Settings) -> None:
        settings["millrace:images"]["digests"] = {"app": _NOWHERE}

    before = deployer.pods()
    try:
        failed = deployer.up(bad, "--wait-seconds", "40")
        assert failed.exit_code == 1
        assert "migrate" in failed.said
        assert _NOWHERE[:20] in failed.said
        after = deployer.pods()
        for name in before.keys() - _SCALED:
            assert after[name] == before[name], name
        assert all(after[name] & before[name] for name in _SCALED)
    finally:
        back = deployer.up()
    assert back.exit_code == 0, back.said
    assert back.counts.get("change", 0) == 0
    jobs = eventually(
        lambda: [job for job in kubectl.get("jobs", naming.NAMESPACE_APP) if job["status"].get("succeeded")],
        within=60,
        what="the earlier jobs are there",
    )
    assert {job["metadata"]["name"].rpartition("-")[0] for job in jobs} >= {"migrate", "topology"}


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
