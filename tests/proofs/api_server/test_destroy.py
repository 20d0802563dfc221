"""A removal: what holds data stays unless purged, and what hangs does not hold up the rest."""

from __future__ import annotations

from kubernetes import client

from infra import naming
from infra.deploy import generated
from infra.deploy.objects import Ref
from infra.devcluster.waiting import until
from tests.proofs.api_server.deployment import Deployment

APP, DATA = naming.NAMESPACE_APP, naming.NAMESPACE_DATA


def test_a_removal_that_hangs_ends_in_time_and_says_who_holds_what(deployed: Deployment) -> None:
    """A finalizer whose owner is away is the usual reason; the brokers go all the same."""
    held = Ref("keda.sh/v1alpha1", "ScaledObject", APP, "worker-interactive")
    _finalizers(deployed, held, ["finalizer.keda.sh"])
    try:
        removal = deployed.destroy(seconds=10)
    finally:
        _finalizers(deployed, held, [])
    assert f"{held} is held by finalizer.keda.sh" in removal.hanging
    broker = Ref("apps/v1", "StatefulSet", DATA, "rabbitmq")
    until(f"{broker} is gone", lambda: deployed.cluster.read(broker) is None, 60)


def test_brokers_that_are_removed_do_not_wait_for_each_other(deployed: Deployment) -> None:
    """Each pod is told to skip its wait for a quorum: the quorum goes with them."""
    core = client.CoreV1Api(deployed.server.client)
    pod = Ref("v1", "Pod", DATA, "rabbitmq-0")
    until(f"{pod} is made", lambda: deployed.cluster.read(pod) is not None, 60)
    core.patch_namespaced_pod("rabbitmq-0", DATA, {"metadata": {"finalizers": ["millrace.dev/test"]}})
    try:
        deployed.destroy(seconds=8)
        assert deployed.read(pod)["metadata"]["annotations"][naming.ANNOTATION_SKIP_STOP] == "true"
    finally:
        core.patch_namespaced_pod("rabbitmq-0", DATA, {"metadata": {"finalizers": None}})


def test_what_holds_data_outlives_a_removal_and_fits_the_next_deployment(deployed: Deployment) -> None:
    """Volumes and the passwords to what is in them."""
    until("every node has its volume", lambda: "data-rabbitmq-2" in _claims(deployed), 60)
    claims, values = _claims(deployed), generated.read(deployed.cluster)
    removal = deployed.destroy()
    assert removal.hanging == ()
    assert {ref.name for ref in removal.kept if ref.kind == "PersistentVolumeClaim"} == claims.keys()
    assert _claims(deployed) == claims
    assert client.AppsV1Api(deployed.server.client).list_stateful_set_for_all_namespaces().items == []
    assert deployed.destroy().steps == ()

    deployed.up()
    assert generated.read(deployed.cluster) == values
    assert claims.items() <= _claims(deployed).items()


def test_a_purge_leaves_nothing(deployed: Deployment) -> None:
    """Nor does it leave what others made for us outside our namespaces."""
    core = client.CoreV1Api(deployed.server.client)
    # As cert-manager would have made it.
    core.create_namespaced_secret("cert-manager", {"metadata": {"name": naming.ISSUER}})
    assert deployed.destroy(purge=True).hanging == ()
    assert deployed.state() == {}
    assert not {one.metadata.name for one in core.list_namespace().items} & set(naming.NAMESPACES)
    assert core.list_namespaced_secret("cert-manager", field_selector=f"metadata.name={naming.ISSUER}").items == []


def _finalizers(deployment: Deployment, ref: Ref, names: list[str]) -> None:
    api = client.CustomObjectsApi(deployment.server.client)
    group, version = ref.api_version.split("/")
    body = {"metadata": {"finalizers": names}}
    api.patch_namespaced_custom_object(group, version, ref.namespace, "scaledobjects", ref.name, body)


def _claims(deployment: Deployment) -> dict[str, str]:
    found = deployment.cluster.listed("v1", "PersistentVolumeClaim", DATA)
    return {one["metadata"]["name"]: one["metadata"]["uid"] for one in found}
