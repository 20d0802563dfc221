"""Pulumi once more: it finds nothing to do, its state holds no secret, and it removes all that it made."""

from __future__ import annotations

from infra import naming
from tests.harness import leaks
from tests.harness.kubernetes.deployment import Deployer
from tests.harness.kubernetes.kubectl import Kubectl
from tests.harness.waiting import eventually


def test_a_second_preview_is_empty_and_a_refresh_finds_nothing(deployer: Deployer) -> None:
    """What the program says, the state and the cluster are the same, after all the tests before."""
    for run in (deployer.preview(), deployer.refresh()):
        assert not run.changed, run.output
        assert run.counts["same"] > 150


def test_the_state_holds_no_secret_in_clear(deployer: Deployer) -> None:
    """Neither the state nor its history, in plain text or in base64."""
    backend, state = deployer.state()
    known = leaks.passwords(state)
    assert len(known) > 20
    assert leaks.in_files(backend, known) == []


def test_destroy_leaves_nothing(deployer: Deployer, kubectl: Kubectl) -> None:
    """Namespaces, volumes and passwords too: in staging nothing is protected."""
    deployer.destroy()
    assert not {space["metadata"]["name"] for space in kubectl.get("namespaces")} & set(naming.NAMESPACES)

    def left() -> list[str]:
        claims = [volume["spec"].get("claimRef", {}) for volume in kubectl.get("persistentvolumes")]
        return [claim["name"] for claim in claims if claim.get("namespace") in naming.NAMESPACES]

    # The storage's provisioner removes a volume after its claim has gone.
    eventually(lambda: not left(), what="the volumes are removed")
