"""A deployment that is killed, or meets another one, ends where an undisturbed one ends; and a removal likewise."""

from __future__ import annotations

import pytest
from kubernetes import client

from infra import naming
from infra.deploy import generated
from infra.deploy.objects import Ref, decoded
from infra.devcluster.waiting import until
from tests.proofs.api_server.deployment import Deployment, changes

APP, DATA = naming.NAMESPACE_APP, naming.NAMESPACE_DATA
_GENERATED = f"{APP}/{generated.NAME}"
UP = ("up", "staging", "--engine", "direct", "--no-wait")


@pytest.mark.parametrize(
    "last",
    [
        pytest.param(Ref("v1", "Namespace", "", DATA), id="after the namespaces"),
        pytest.param(generated.REF, id="after the passwords"),
        pytest.param(Ref("v1", "Secret", APP, "worker-passwords"), id="among the secrets"),
        pytest.param(Ref("apps/v1", "StatefulSet", DATA, "rabbitmq"), id="among the servers"),
    ],
)
def test_a_killed_deployment_is_completed_by_the_next(deployment: Deployment, last: Ref) -> None:
    """A killed deployment is completed by the next."""
    process = deployment.command(*UP)
    until(f"{last} is there", lambda: deployment.cluster.read(last) is not None, 120)
    process.kill()
    process.communicate()
    kept = generated.read(deployment.cluster) or {}
    before = deployment.passwords()

    deployment.up()
    assert changes(deployment.up()) == {}
    values = generated.read(deployment.cluster)
    assert values is not None
    assert kept.items() <= values.items()
    after = deployment.passwords()
    assert {name: after[name] for name in before if name != _GENERATED} == {
        name: values for name, values in before.items() if name != _GENERATED
    }
    assert after[f"{APP}/relay-passwords"]["rabbitmq_password"] == values["relay-rabbitmq"]


def test_two_deployments_at_once_end_with_the_same_passwords(deployment: Deployment) -> None:
    """Two deployments at once end with the same passwords."""
    processes = [deployment.command(*UP) for _ in range(2)]
    outputs = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert changes(deployment.up()) == {}
    values = decoded(deployment.read(generated.REF))
    assert deployment.passwords()[f"{APP}/relay-passwords"]["rabbitmq_password"] == values["relay-rabbitmq"]


def test_what_holds_data_outlives_a_removal_and_fits_the_next_deployment(deployment: Deployment) -> None:
    """What holds data outlives a removal and fits the next deployment."""
    deployment.up()
    _until_claims(deployment)
    claims, values = _claims(deployment), generated.read(deployment.cluster)
    removal = deployment.destroy()
    assert removal.hanging == ()
    assert {ref.name for ref in removal.kept if ref.kind == "PersistentVolumeClaim"} == claims.keys()
    assert _claims(deployment) == claims
    assert client.AppsV1Api(deployment.server.client).list_stateful_set_for_all_namespaces().items == []
    assert deployment.destroy().steps == ()

    deployment.up()
    assert generated.read(deployment.cluster) == values
    assert claims.items() <= _claims(deployment).items()


def test_a_purge_leaves_nothing(deployment: Deployment) -> None:
    """A purge leaves nothing."""
    deployment.up()
    core = client.CoreV1Api(deployment.server.client)
    # As cert-manager would have made it, outside our namespaces.
    core.create_namespaced_secret("cert-manager", {"metadata": {"name": naming.ISSUER}})
    assert deployment.destroy(purge=True).hanging == ()
    assert deployment.state() == {}
    assert not {one.metadata.name for one in core.list_namespace().items} & set(naming.NAMESPACES)
    assert core.list_namespaced_secret("cert-manager", field_selector=f"metadata.name={naming.ISSUER}").items == []


def test_a_removal_that_hangs_ends_in_time_and_says_who_holds_what(deployment: Deployment) -> None:
    """A removal that hangs ends in time and says who holds what."""
    deployment.up()
    held = Ref("keda.sh/v1alpha1", "ScaledObject", APP, "worker-interactive")
    _finalizers(deployment, held, ["finalizer.keda.sh"])
    try:
        removal = deployment.destroy(seconds=20)
    finally:
        _finalizers(deployment, held, [])
    assert f"{held} is held by finalizer.keda.sh" in removal.hanging
    # The rest went on without it.
    broker = Ref("apps/v1", "StatefulSet", DATA, "rabbitmq")
    until(f"{broker} is gone", lambda: deployment.cluster.read(broker) is None, 60)


def test_brokers_that_are_removed_do_not_wait_for_each_other(deployment: Deployment) -> None:
    """Brokers that are removed do not wait for each other."""
    deployment.up()
    core = client.CoreV1Api(deployment.server.client)
    pod = Ref("v1", "Pod", DATA, "rabbitmq-0")
    until(f"{pod} is made", lambda: deployment.cluster.read(pod) is not None, 60)
    core.patch_namespaced_pod("rabbitmq-0", DATA, {"metadata": {"finalizers": ["millrace.dev/test"]}})
    try:
        deployment.destroy(seconds=8)
        assert deployment.read(pod)["metadata"]["annotations"][naming.ANNOTATION_SKIP_STOP] == "true"
    finally:
        core.patch_namespaced_pod("rabbitmq-0", DATA, {"metadata": {"finalizers": None}})


def _finalizers(deployment: Deployment, ref: Ref, names: list[str]) -> None:
    api = client.CustomObjectsApi(deployment.server.client)
    group, version = ref.api_version.split("/")
    body = {"metadata": {"finalizers": names}}
    api.patch_namespaced_custom_object(group, version, ref.namespace, "scaledobjects", ref.name, body)


def _claims(deployment: Deployment) -> dict[str, str]:
    found = deployment.cluster.listed("v1", "PersistentVolumeClaim", DATA)
    return {one["metadata"]["name"]: one["metadata"]["uid"] for one in found}


def _until_claims(deployment: Deployment) -> None:
    until("every node has its volume", lambda: "data-rabbitmq-2" in _claims(deployment), 60)
