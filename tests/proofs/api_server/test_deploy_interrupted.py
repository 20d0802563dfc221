"""A deployment that is killed, or meets another one, ends where an undisturbed one ends."""

from __future__ import annotations

from infra import naming
from infra.deploy import generated
from infra.deploy.objects import Ref, decoded
from infra.devcluster.waiting import until
from tests.proofs.api_server.deployment import Deployment, changes

APP, DATA = naming.NAMESPACE_APP, naming.NAMESPACE_DATA
UP = ("up", "staging", "--engine", "direct", "--no-wait")
#: When each one is killed: after the namespaces, after the passwords, among the Secrets, among the servers.
LAST = (
    Ref("v1", "Namespace", "", DATA),
    generated.REF,
    Ref("v1", "Secret", APP, "worker-passwords"),
    Ref("apps/v1", "StatefulSet", DATA, "rabbitmq"),
)


def test_a_deployment_that_is_killed_again_and_again_is_completed_by_the_next(empty: Deployment) -> None:
    """Each goes on from where the one before was killed, and no password changes on the way."""
    kept: dict[str, dict[str, str]] = {}
    for last in LAST:
        process = empty.command(*UP)
        _until_there(empty, last)
        process.kill()
        process.communicate()
        _require_kept(kept, now := empty.passwords())
        kept = now

    empty.up()
    assert changes(empty.up()) == {}
    _require_kept(kept, empty.passwords())
    _require_agreement(empty)


def test_two_deployments_at_once_end_with_the_same_passwords(empty: Deployment) -> None:
    """The one that comes second to the Secret of generated passwords takes those of the first."""
    processes = [empty.command(*UP) for _ in range(2)]
    outputs = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert changes(empty.up()) == {}
    _require_agreement(empty)


def _until_there(deployment: Deployment, ref: Ref) -> None:
    until(f"{ref} is there", lambda: deployment.cluster.read(ref) is not None, 120)


def _require_kept(before: dict[str, dict[str, str]], now: dict[str, dict[str, str]]) -> None:
    for name, values in before.items():
        assert values.items() <= now[name].items(), name


def _require_agreement(deployment: Deployment) -> None:
    values = decoded(deployment.read(generated.REF))
    assert deployment.passwords()[f"{APP}/relay-passwords"]["rabbitmq_password"] == values["relay-rabbitmq"]
