"""A deployment without the Pulumi CLI, on a real API server: it changes what it should, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from app.contract import DEFAULT_QUEUES_FILE
from infra import naming
from infra.deploy import generated
from infra.deploy.errors import DeployError, NothingChangedError
from infra.deploy.objects import Ref
from infra.deploy.operate import operate
from infra.deploy.waiting import until_ready
from infra.render.manifests import ANNOTATION_PROTECT
from infra.waiting import poll
from tests.proofs.api_server.deployment import Deployment, changes

APP, DATA = naming.NAMESPACE_APP, naming.NAMESPACE_DATA
RELAY = Ref("apps/v1", "Deployment", APP, "relay")
OURS = {naming.LABEL_MANAGED_BY: naming.MANAGER, naming.LABEL_STACK: "staging"}
WORKLOADS = "millrace:workloads"


def test_a_cluster_holds_one_stack(empty: Deployment) -> None:
    """Both namespaces are looked at before anything is made or removed."""
    core = client.CoreV1Api(empty.server.client)
    core.create_namespace({"metadata": {"name": APP, "labels": {naming.LABEL_STACK: "prod"}}})
    try:
        with pytest.raises(NothingChangedError, match="belongs to the stack prod"):
            empty.up()
        with pytest.raises(NothingChangedError, match="belongs to the stack prod"):
            empty.destroy(purge=True)
    finally:
        # So that the next test may purge it.
        core.patch_namespace(APP, {"metadata": {"labels": {naming.LABEL_STACK: "staging"}}})


def test_a_summary_for_programs_is_one_json_document(empty: Deployment) -> None:
    """Of a preview: it also leaves an empty cluster empty."""
    process = empty.command("preview", "staging", "--engine", "direct", "--json")
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    summary = json.loads(output[output.index("{") :])
    assert summary["counts"] == {"create": len(summary["objects"])}
    assert empty.cluster.read(Ref("v1", "Namespace", "", APP)) is None


def test_a_second_deployment_changes_nothing_and_a_preview_says_so(deployed: Deployment) -> None:
    """Nor does it after a render in the same process, whose passwords are made up."""
    before, passwords = deployed.state(), deployed.passwords()
    assert changes(deployed.preview()) == {}
    deployed.program().references()
    assert changes(deployed.up()) == {}
    assert deployed.state() == before
    assert deployed.passwords() == passwords


def test_a_changed_setting_changes_what_depends_on_it_and_nothing_else(deployed: Deployment) -> None:
    """The quota is a sum over all pods, so it changes as well; the preview says both, and from what to what."""
    expected = {str(RELAY): "change", f"ResourceQuota {APP}/millrace": "change"}
    foreseen = deployed.preview(_three_relays)
    assert changes(foreseen) == expected
    (relay,) = (step for step in foreseen if step.ref == RELAY)
    assert [(one.path, one.before, one.after) for one in relay.differences] == [("spec.replicas", "2", "3")]
    assert deployed.read(RELAY)["spec"]["replicas"] == 2
    assert changes(deployed.up(_three_relays)) == expected
    assert deployed.read(RELAY)["spec"]["replicas"] == 3


def test_what_is_not_wanted_any_more_is_pruned_and_nothing_of_others(deployed: Deployment, tmp_path: Path) -> None:
    """A queue is not declared any more. Kept: what is protected or holds data, and what was not applied by us."""
    queues = tmp_path / "queues.toml"
    queues.write_text(DEFAULT_QUEUES_FILE.read_text().partition("[external]")[0])

    def without_external(config: dict[str, Any]) -> None:
        config["millrace:queues"] = str(queues)
        del config[WORKLOADS]["pools"]["external"]

    core = client.CoreV1Api(deployed.server.client)
    for name, labels in (("foreign", {}), ("copied", OURS)):
        core.create_namespaced_config_map(APP, {"metadata": {"name": name, "labels": labels}, "data": {}})
    kept = [
        _apply(deployed, "protected", {ANNOTATION_PROTECT: "true"}),
        Ref("v1", "PersistentVolumeClaim", DATA, "postgresql-backups"),
        Ref("v1", "ConfigMap", APP, "foreign"),
        Ref("v1", "ConfigMap", APP, "copied"),
        generated.REF,
    ]
    left_over = _apply(deployed, "left-over", {})

    done = changes(deployed.up(without_external))
    pruned = {name for name, action in done.items() if action == "prune"}
    assert str(left_over) in pruned
    assert f"Deployment {APP}/worker-external" in pruned
    gone = {name.partition("/")[2] for name in pruned}
    # The file of queues and what runs once have other names when the file changes.
    made_anew = {name for name in gone if name.startswith(("queues-", "migrate-", "topology-"))}
    assert gone - made_anew <= {"left-over", "worker-external", "worker-external-tls"}
    for ref in kept:
        deployed.read(ref)
    assert deployed.cluster.read(left_over) is None
    # Its pods go with it, and the objects that controllers made stay with theirs.
    assert changes(deployed.up(without_external)) == {}
    assert str(kept[0]) in changes(deployed.preview(without_external, prune_protected=True))


def test_the_number_of_pods_belongs_to_the_scaler(deployed: Deployment) -> None:
    """It sets the scale while nobody deploys; the next deployment leaves it."""
    apps = client.AppsV1Api(deployed.server.client)
    apps.patch_namespaced_deployment_scale("worker-bulk", APP, {"spec": {"replicas": 7}})
    assert changes(deployed.up()) == {}
    assert deployed.read(Ref("apps/v1", "Deployment", APP, "worker-bulk"))["spec"]["replicas"] == 7


def test_a_field_that_somebody_else_changed_is_not_taken_back_unasked(deployed: Deployment) -> None:
    """The refusal names the field, its owner and the way to take it; FORCE=1 takes it."""
    apps = client.AppsV1Api(deployed.server.client)
    apps.patch_namespaced_deployment("relay", APP, {"spec": {"replicas": 7}}, field_manager="somebody")
    before = deployed.state()
    with pytest.raises(NothingChangedError, match=rf'{RELAY}: \.spec\.replicas belongs to "somebody"(?s:.*)FORCE=1'):
        deployed.up(_three_relays)
    assert deployed.state() == before
    deployed.up(force=True)
    assert deployed.read(RELAY)["spec"]["replicas"] == 2


def test_a_change_that_kubernetes_cannot_make_is_refused_before_anything_is_changed(deployed: Deployment) -> None:
    """Not even the relays, whose change alone would be possible."""
    before = deployed.state()
    with pytest.raises(NothingChangedError, match=rf"StatefulSet {DATA}/rabbitmq: (?s:.*)never changes these fields"):
        deployed.up(_larger_disks_and_more_relays)
    assert deployed.state() == before


def test_refused_settings_change_nothing(deployed: Deployment) -> None:
    """One message and exit code 2, also from the command that a person gives."""
    before = deployed.state()
    wrong = deployed.settings(_even_and_more_relays)
    code, output = deployed.run("up", "staging", "--no-wait", "--stack-file", str(wrong))
    assert code == 2
    assert "nodes" in output
    assert "Traceback" not in output
    assert deployed.state() == before


def test_what_does_not_become_ready_fails_and_says_what_it_waits_for(deployed: Deployment) -> None:
    """Nobody signs certificates here, so the issuer never becomes ready."""
    with pytest.raises(DeployError, match=r"not ready after 1 s(?s:.*)Issuer millrace-ca-1: has not|no cond"):
        deployed.up(wait=True, wait_seconds=1)


def test_a_job_that_failed_is_made_anew(deployed: Deployment) -> None:
    """Nobody can restart a failed Job; a deployment removes it, and changes nothing else."""
    batch = client.BatchV1Api(deployed.server.client)
    (job,) = batch.list_namespaced_job(APP, label_selector=f"{naming.LABEL_NAME}={naming.MIGRATE}").items
    # The controller itself fails a Job whose deadline has passed.
    batch.patch_namespaced_job(job.metadata.name, APP, {"spec": {"activeDeadlineSeconds": 1}})
    ref = Ref("batch/v1", "Job", APP, job.metadata.name)
    with pytest.raises(DeployError, match=f"{ref} failed: DeadlineExceeded"):
        until_ready(deployed.cluster, [ref], 60, lambda _: None, ())
    done = changes(deployed.up(force=True))
    assert done == {str(ref): "replace"}
    assert deployed.read(ref)["metadata"]["uid"] != job.metadata.uid


def test_an_operators_command_is_a_job_of_its_own_that_leaves_nothing(
    deployed: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No pod starts here: the Job is created, admitted, waited for and removed."""
    monkeypatch.setattr("infra.deploy.operate.START_SECONDS", 1)
    with pytest.raises(DeployError, match="has not started"):
        operate(deployed.cluster, ["dead-letters", "list"])
    jobs = client.BatchV1Api(deployed.server.client).list_namespaced_job(APP).items
    assert {job.metadata.labels.get(naming.LABEL_NAME) for job in jobs if not job.metadata.deletion_timestamp} == {
        naming.MIGRATE,
        naming.TOPOLOGY,
    }


def test_lost_passwords_are_not_made_anew_unasked(deployed: Deployment) -> None:
    """The volumes still have the old ones. The last test here: it leaves other passwords."""
    deployed.cluster.delete(generated.REF, deployed.read(generated.REF)["metadata"]["uid"])
    # The garbage collector takes it away after the answer.
    gone = poll(
        lambda: deployed.cluster.read(generated.REF), until=lambda live: live is None, seconds=60, every_seconds=0.2
    )
    assert gone is None
    before = deployed.passwords()
    with pytest.raises(NothingChangedError, match="lock everybody out"):
        deployed.up()
    assert deployed.passwords() == before
    deployed.up(new_passwords=True)
    after = deployed.passwords()
    assert after.keys() - before.keys() == {str(generated.REF).removeprefix("Secret ")}
    assert all(after[name] != values for name, values in before.items())


def _three_relays(config: dict[str, Any]) -> None:
    config[WORKLOADS]["relay"]["replicas"] = 3


def _even_and_more_relays(config: dict[str, Any]) -> None:
    config["millrace:broker"]["nodes"] = 4
    _three_relays(config)


def _larger_disks_and_more_relays(config: dict[str, Any]) -> None:
    config["millrace:broker"]["storage"] = "3Gi"
    _three_relays(config)


def _apply(deployment: Deployment, name: str, annotations: dict[str, str]) -> Ref:
    metadata = {"name": name, "namespace": APP, "labels": OURS, "annotations": annotations}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}}
    deployment.cluster.apply(body)
    return Ref.of(body)
