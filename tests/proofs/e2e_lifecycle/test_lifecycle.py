"""Deploying again, changing one thing, and failing to: what a deployment does to what already runs."""

from __future__ import annotations

from infra import naming
from tests.harness.kubernetes.deployment import Deployer, Settings
from tests.harness.kubernetes.kubectl import Kubectl
from tests.harness.waiting import eventually

_NOWHERE = "sha256:" + "0" * 64
_SCALED = {"gateway", "worker-bulk", "worker-interactive"}


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
