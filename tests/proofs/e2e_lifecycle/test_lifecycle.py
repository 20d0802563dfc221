"""Changing one thing, and failing to: what a deployment does to what already runs."""

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
    assert not again.changed, again.output
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
        # The quota is the sum of what all may ask for.
        assert {step.name for step in changed.of("update") if not step.type.endswith("ResourceQuota")} == {"relay"}
        after = deployer.pods()
        assert not after["relay"] & before["relay"]
        for name in before.keys() - _SCALED - {"relay"}:
            assert after[name] == before[name], name
    finally:
        deployer.up()


def test_a_bad_image_harms_nothing_and_is_taken_back(deployer: Deployer, kubectl: Kubectl) -> None:
    """An image that nobody has stops at the migration: what runs is not touched, and the old settings bring it back.

    A person sees it and presses Ctrl-C.
    """

    def bad(settings: Settings) -> None:
        settings["millrace:images"]["digests"] = {"app": _NOWHERE}

    def stuck() -> bool:
        pods = kubectl.get("pods", naming.NAMESPACE_APP, f"{naming.LABEL_NAME}={naming.MIGRATE}")
        return any(
            _NOWHERE in pod["spec"]["containers"][0]["image"] and "waiting" in status["state"]
            for pod in pods
            for status in pod["status"].get("containerStatuses") or ()
        )

    before = deployer.pods()
    try:
        with deployer.interrupted(bad):
            eventually(stuck, what="a migration without its image")
        after = deployer.pods()
        for name in before.keys() - _SCALED:
            assert after[name] == before[name], name
        assert all(after[name] & before[name] for name in _SCALED)
    finally:
        deployer.up()
    again = deployer.preview()
    assert not again.changed, again.output
    jobs = [job for job in kubectl.get("jobs", naming.NAMESPACE_APP) if job["status"].get("succeeded")]
    assert {job["metadata"]["name"].rpartition("-")[0] for job in jobs} >= {"migrate", "topology"}
