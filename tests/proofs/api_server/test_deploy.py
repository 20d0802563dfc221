"""A deployment without the Pulumi CLI, on a real API server: it changes what it should, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kubernetes import client

from infra import naming
from infra.deploy import generated
from infra.deploy.errors import DeployError, NothingChangedError
from infra.deploy.objects import Ref
from infra.deploy.operate import LABEL_JOB, operate
from infra.render.manifests import ANNOTATION_PROTECT
from infra.waiting import poll
from tests.proofs.api_server.deployment import Deployment, changes

APP, DATA = naming.NAMESPACE_APP, naming.NAMESPACE_DATA
RELAY = Ref("apps/v1", "Deployment", APP, "relay")
OURS = {naming.LABEL_MANAGED_BY: naming.MANAGER, naming.LABEL_STACK: "staging"}
WORKLOADS = "millrace:workloads"


def test_a_second_deployment_changes_nothing_and_a_preview_says_so(deployment: Deployment) -> None:
    """A second deployment changes nothing and a preview says so."""
    first = changes(deployment.up())
    before, passwords = deployment.state(), deployment.passwords()
    assert set(first.values()) == {"create"}
    assert len(first) == len(before)

    assert changes(deployment.preview()) == {}
    assert changes(deployment.up()) == {}
    deployment.program().references()  # a render between two deployments has nothing to do with either
    assert changes(deployment.up()) == {}
    assert deployment.state() == before
    assert deployment.passwords() == passwords


def test_a_changed_setting_changes_what_depends_on_it_and_nothing_else(deployment: Deployment) -> None:
    """A changed setting changes what depends on it and nothing else."""

    def three_relays(config: dict[str, Any]) -> None:
        config[WORKLOADS]["relay"]["replicas"] = 3

    deployment.up()
    expected = {str(RELAY): "change", f"ResourceQuota {APP}/millrace": "change"}
    foreseen = deployment.preview(three_relays)
    assert changes(foreseen) == expected
    (relay,) = (step for step in foreseen if step.ref == RELAY)
    assert [(one.path, one.before, one.after) for one in relay.differences] == [("spec.replicas", "2", "3")]
    assert deployment.read(RELAY)["spec"]["replicas"] == 2
    assert changes(deployment.up(three_relays)) == expected
    assert deployment.read(RELAY)["spec"]["replicas"] == 3


def test_what_is_not_wanted_any_more_is_pruned_and_nothing_of_others(deployment: Deployment) -> None:
    """What is not wanted any more is pruned and nothing of others."""

    def renamed_pool(config: dict[str, Any]) -> None:
        config[WORKLOADS]["pools"][2]["name"] = "outside"

    deployment.up()
    core = client.CoreV1Api(deployment.server.client)
    for name, labels in (("foreign", {}), ("copied", OURS)):
        core.create_namespaced_config_map(APP, {"metadata": {"name": name, "labels": labels}, "data": {}})
    kept = [
        _apply(deployment, "protected", {ANNOTATION_PROTECT: "true"}),
        Ref("v1", "PersistentVolumeClaim", DATA, "postgresql-backups"),
        Ref("v1", "ConfigMap", APP, "foreign"),
        Ref("v1", "ConfigMap", APP, "copied"),
        generated.REF,
    ]
    left_over = _apply(deployment, "left-over", {})

    done = changes(deployment.up(renamed_pool))
    pruned = {name for name, action in done.items() if action == "prune"}
    assert str(left_over) in pruned
    assert f"Deployment {APP}/worker-external" in pruned
    assert {name.partition("/")[2] for name in pruned} <= {"left-over", "worker-external", "worker-external-tls"}
    for ref in kept:
        deployment.read(ref)
    assert deployment.cluster.read(left_over) is None
    # Its pods go with it, and the objects that controllers made stay with theirs.
    assert changes(deployment.up(renamed_pool)) == {}
    assert str(kept[0]) in changes(deployment.preview(renamed_pool, prune_protected=True))


def test_the_number_of_pods_belongs_to_the_scaler(deployment: Deployment) -> None:
    """The number of pods belongs to the scaler."""
    deployment.up()
    apps = client.AppsV1Api(deployment.server.client)
    apps.patch_namespaced_deployment_scale("worker-bulk", APP, {"spec": {"replicas": 7}})
    assert changes(deployment.up()) == {}
    assert deployment.read(Ref("apps/v1", "Deployment", APP, "worker-bulk"))["spec"]["replicas"] == 7


def test_a_field_that_somebody_else_changed_is_not_taken_back_unasked(deployment: Deployment) -> None:
    """A field that somebody else changed is not taken back unasked."""
    deployment.up()
    apps = client.AppsV1Api(deployment.server.client)
    apps.patch_namespaced_deployment("relay", APP, {"spec": {"replicas": 7}}, field_manager="somebody")
    before = deployment.state()
    with pytest.raises(NothingChangedError, match=rf'{RELAY}: \.spec\.replicas belongs to "somebody"(?s:.*)FORCE=1'):
        deployment.up(lambda config: config[WORKLOADS].update(relay=config[WORKLOADS]["relay"] | {"replicas": 3}))
    assert deployment.state() == before
    deployment.up(force=True)
    assert deployment.read(RELAY)["spec"]["replicas"] == 2


def test_a_change_that_kubernetes_cannot_make_is_refused_before_anything_is_changed(deployment: Deployment) -> None:
    """A change that kubernetes cannot make is refused before anything is changed."""

    def larger_disks(config: dict[str, Any]) -> None:
        config["millrace:broker"]["storage"] = "3Gi"
        config[WORKLOADS]["relay"]["replicas"] = 3

    deployment.up()
    before = deployment.state()
    with pytest.raises(NothingChangedError, match=rf"StatefulSet {DATA}/rabbitmq: (?s:.*)never changes these fields"):
        deployment.up(larger_disks)
    assert deployment.state() == before


def test_refused_settings_change_nothing(deployment: Deployment) -> None:
    """Refused settings change nothing."""
    wrong = deployment.settings(lambda config: config["millrace:broker"].update(nodes=4))
    code, output = deployment.run("up", "staging", "--no-wait", "--stack-file", str(wrong))
    assert code == 2
    assert "nodes" in output
    assert "Traceback" not in output
    assert deployment.cluster.read(Ref("v1", "Namespace", "", APP)) is None


def test_a_cluster_holds_one_stack(deployment: Deployment) -> None:
    """A cluster holds one stack."""
    labels = {naming.LABEL_STACK: "prod"}
    core = client.CoreV1Api(deployment.server.client)
    core.create_namespace({"metadata": {"name": APP, "labels": labels}})
    with pytest.raises(NothingChangedError, match="belongs to the stack prod"):
        deployment.up()
    with pytest.raises(NothingChangedError, match="belongs to the stack prod"):
        deployment.destroy(purge=True)
    core.patch_namespace(APP, {"metadata": {"labels": {naming.LABEL_STACK: "staging"}}})


def test_lost_passwords_are_not_made_anew_unasked(deployment: Deployment) -> None:
    """Lost passwords are not made anew unasked."""
    deployment.up()
    deployment.cluster.delete(generated.REF, deployment.read(generated.REF)["metadata"]["uid"])
    # The garbage collector takes it away after the answer.
    gone = poll(
        lambda: deployment.cluster.read(generated.REF), until=lambda live: live is None, seconds=60, every_seconds=0.2
    )
    assert gone is None
    before = deployment.passwords()
    with pytest.raises(NothingChangedError, match="lock everybody out"):
        deployment.up()
    assert deployment.passwords() == before
    deployment.up(new_passwords=True)
    after = deployment.passwords()
    assert after.keys() - before.keys() == {str(generated.REF).removeprefix("Secret ")}
    assert all(after[name] != values for name, values in before.items())


def test_what_does_not_become_ready_fails_and_says_what_it_waits_for(deployment: Deployment) -> None:
    """What does not become ready fails and says what it waits for."""
    with pytest.raises(
        DeployError, match=r"not ready after 1 s(?s:.*)ClusterIssuer millrace-self-signed: has not|no cond"
    ):
        deployment.up(wait=True, wait_seconds=1)


def test_a_job_that_failed_is_made_anew(deployment: Deployment) -> None:
    """A job that failed is made anew."""
    deployment.up()
    batch = client.BatchV1Api(deployment.server.client)
    (job,) = batch.list_namespaced_job(APP, label_selector=f"{naming.LABEL_NAME}={naming.MIGRATE}").items
    # The controller itself fails a Job whose deadline has passed.
    batch.patch_namespaced_job(job.metadata.name, APP, {"spec": {"activeDeadlineSeconds": 1}})
    ref = Ref("batch/v1", "Job", APP, job.metadata.name)
    with pytest.raises(DeployError, match=f"{ref} failed: DeadlineExceeded"):
        _wait_for(deployment, ref)
    done = changes(deployment.up(force=True))
    assert done == {str(ref): "replace"}
    assert deployment.read(ref)["metadata"]["uid"] != job.metadata.uid


def test_an_operators_command_is_a_job_of_its_own_that_leaves_nothing(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operators command is a job of its own that leaves nothing."""
    deployment.up()
    # No pod starts here: it is created, admitted, waited for and removed.
    monkeypatch.setattr("infra.deploy.operate.START_SECONDS", 1)
    with pytest.raises(DeployError, match="has not started"):
        operate(deployment.cluster, ["dead-letters", "list"])
    jobs = client.BatchV1Api(deployment.server.client).list_namespaced_job(APP).items
    assert {job.metadata.labels.get(naming.LABEL_NAME) for job in jobs if not job.metadata.deletion_timestamp} == {
        naming.MIGRATE,
        naming.TOPOLOGY,
    }
    assert LABEL_JOB


def test_a_summary_for_programs_is_one_json_document(deployment: Deployment) -> None:
    """A summary for programs is one json document."""
    process = deployment.command("preview", "staging", "--engine", "direct", "--json")
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    summary = json.loads(output[output.index("{") :])
    assert summary["counts"] == {"create": len(summary["objects"])}
    assert deployment.cluster.read(Ref("v1", "Namespace", "", APP)) is None


def _apply(deployment: Deployment, name: str, annotations: dict[str, str]) -> Ref:
    metadata = {"name": name, "namespace": APP, "labels": OURS, "annotations": annotations}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}}
    deployment.cluster.apply(body)
    return Ref.of(body)


def _wait_for(deployment: Deployment, ref: Ref) -> None:
    from infra.deploy.waiting import until_ready

    until_ready(deployment.cluster, [ref], 60, lambda _: None, ())
