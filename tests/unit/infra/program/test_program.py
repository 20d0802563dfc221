"""What `pulumi up` would go by: names that never change, what is kept in prod, what a second run would do."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from infra.documents.__main__ import pages
from infra.render.manifests import RenderError, manifests
from infra.render.recorder import SecretValue, record
from infra.settings.backends import Bucket
from tests.unit.infra.stacks import ROOT, Rendered, config_of, render

#: Fields that a StatefulSet can never change: an edit here deletes a broker. Changing this table is a decision.
STATEFUL = {
    ("staging", "rabbitmq"): ("rabbitmq-nodes", "Parallel", 3, "data", "2Gi", None),
    ("staging", "redis"): ("redis-nodes", "Parallel", 3, "data", "1Gi", None),
    ("staging", "postgresql"): ("postgresql-nodes", "Parallel", 3, "data", "10Gi", None),
    ("staging", "objectstore"): ("objectstore-nodes", "Parallel", 3, "data", "5Gi", None),
    ("prod", "rabbitmq"): ("rabbitmq-nodes", "Parallel", 3, "data", "50Gi", "gp3"),
    ("prod", "redis"): ("redis-nodes", "Parallel", 3, "data", "5Gi", "gp3"),
}
#: Made by whoever makes the bucket (docs/patterns/uploads.md).
OF_A_BUCKET_ELSEWHERE = {f"{role}-s3" for role in ("gateway", "worker", "owner")}
SELECTOR = "app.kubernetes.io/name"
#: Logical names are the engine's memory: a renamed one is deleted and made anew.
STATEFUL_URNS = {
    "staging": {
        "millrace:infra:RabbitMQ$kubernetes:apps/v1:StatefulSet::rabbitmq",
        "millrace:infra:Redis$kubernetes:apps/v1:StatefulSet::redis",
        "millrace:infra:S3Server$kubernetes:apps/v1:StatefulSet::objectstore",
        "millrace:infra:PostgreSQL$kubernetes:apps/v1:StatefulSet::postgresql",
        "millrace:infra:PostgreSQL$kubernetes:core/v1:PersistentVolumeClaim::postgresql-backups",
    },
    "prod": {
        "millrace:infra:RabbitMQ$kubernetes:apps/v1:StatefulSet::rabbitmq",
        "millrace:infra:Redis$kubernetes:apps/v1:StatefulSet::redis",
        "millrace:infra:CloudNativePGCluster$kubernetes:postgresql.cnpg.io/v1:Cluster::postgresql-cluster",
    },
}
KEEPS_DATA = {"StatefulSet", "PersistentVolumeClaim", "Cluster", "Namespace"}


def test_the_program_fits_on_a_page() -> None:
    """A newcomer sees the system in it."""
    assert len((ROOT / "infra" / "__main__.py").read_text().splitlines()) < 60


def test_the_generated_pages_are_current() -> None:
    """`python -m infra.documents` writes them."""
    for path, text in pages().items():
        assert path.read_text() == text, f"{path.name}: run python -m infra.documents"


def test_no_module_hides_another() -> None:
    """`main: infra/` puts the folder on Python's path: a module called `secrets` there would be everybody's."""
    ours = {path.stem for path in (ROOT / "infra").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not ours & set(sys.stdlib_module_names)


def test_what_can_never_change(both: dict[str, Rendered]) -> None:
    """StatefulSets as they are pinned above."""
    found = {}
    for name, rendered in both.items():
        for body in rendered.bodies("StatefulSet"):
            spec = body["spec"]
            [claim] = spec["volumeClaimTemplates"]
            assert spec["selector"]["matchLabels"][SELECTOR] == body["metadata"]["name"]
            found[name, body["metadata"]["name"]] = (
                spec["serviceName"],
                spec["podManagementPolicy"],
                spec["revisionHistoryLimit"],
                claim["metadata"]["name"],
                claim["spec"]["resources"]["requests"]["storage"],
                claim["spec"].get("storageClassName"),
            )
    assert found == STATEFUL


def test_names_of_what_holds_data_are_stable(rendered: Rendered) -> None:
    """As the engine remembers them."""
    urns = {one.urn.partition("::project::")[2] for one in rendered.registered}
    assert urns >= STATEFUL_URNS[rendered.stack.environment]


def test_what_holds_data_is_kept_in_prod_and_only_there(rendered: Rendered) -> None:
    """Protected, and not removed with its stack; the passwords to it as well."""
    for manifest in rendered.manifests:
        one = rendered.registration(manifest)
        keeps = manifest.kind in KEEPS_DATA
        kept = keeps and rendered.stack.is_prod
        assert (one.protect, one.retain_on_delete) == (kept, kept)
    passwords = [one for one in rendered.registered if one.type.startswith("random:")]
    assert passwords
    assert all(one.protect is rendered.stack.is_prod for one in passwords)


def test_every_object_comes_after_what_it_needs(rendered: Rendered) -> None:
    """Namespace, account, Secrets, ConfigMaps, claims, certificates' Secrets: all in an earlier wave than the pod."""
    made: dict[tuple[str, str, str], int] = {}
    for one in rendered.manifests:
        kind, name = one.kind, one.name
        if kind == "Certificate":
            kind, name = "Secret", one.body["spec"]["secretName"]
        made[kind, one.namespace, name] = one.wave
    for one in rendered.manifests:
        if one.namespace in {"millrace", "millrace-data"}:
            assert made["Namespace", "", one.namespace] < one.wave
        for kind, name in _needs(one.body):
            if name in OF_A_BUCKET_ELSEWHERE:
                assert isinstance(rendered.stack.uploads, Bucket)
                continue
            assert made[kind, one.namespace, name] < one.wave, f"{one.file_name} needs {kind} {name}"


def _needs(body: Mapping[str, Any]) -> set[tuple[str, str]]:
    spec = body.get("spec", {})
    template = spec.get("jobTemplate", {}).get("spec", spec).get("template", {})
    pod = template.get("spec") if isinstance(template, dict) else None
    if not pod:
        return set()
    needs = {("ServiceAccount", pod["serviceAccountName"])}
    for volume in pod.get("volumes", []):
        for source in volume.get("projected", {}).get("sources", []):
            if "secret" in source:
                needs.add(("Secret", source["secret"]["name"]))
            if "configMap" in source:
                needs.add(("ConfigMap", source["configMap"]["name"]))
        if "persistentVolumeClaim" in volume:
            needs.add(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
    return needs


def test_what_uses_the_database_comes_after_its_migration(rendered: Rendered) -> None:
    """And what uses queues after they are declared."""
    [migrate] = [one for one in rendered.manifests if one.kind == "Job" and one.name.startswith("migrate-")]
    [topology] = [one for one in rendered.manifests if one.kind == "Job" and one.name.startswith("topology-")]
    for one in rendered.manifests:
        if one.kind == "Deployment" and one.name != "pgbouncer":
            assert one.wave > topology.wave
            assert one.name in {"beat", "flower"} or one.wave > migrate.wave


def test_no_number_where_a_scaler_decides(rendered: Rendered) -> None:
    """Or each deploy would set it back."""
    scaled = {
        body["spec"]["scaleTargetRef"]["name"] for body in rendered.bodies("HorizontalPodAutoscaler", "ScaledObject")
    }
    assert scaled
    for body in rendered.bodies("Deployment"):
        assert ("replicas" in body["spec"]) is (body["metadata"]["name"] not in scaled)


def test_the_scaler_is_one_of_three(both: dict[str, Rendered]) -> None:
    """Fixed, by CPU, by queue: staging has each, and never two on one Deployment."""
    bodies = both["staging"].bodies("HorizontalPodAutoscaler", "ScaledObject")
    targets = [body["spec"]["scaleTargetRef"]["name"] for body in bodies]
    assert sorted(targets) == ["gateway", "worker-bulk", "worker-interactive"]
    queue = both["staging"].one("ScaledObject", "worker-interactive").body["spec"]
    [trigger] = queue["triggers"]
    # 4 children, 0.02 s a task, half a second to wait: 4 * 0.5 / 0.02.
    assert trigger["metadata"]["value"] == "100"
    assert trigger["metadata"]["protocol"] == "http"
    assert trigger["metadata"]["excludeUnacknowledged"] == "false"
    assert queue["fallback"]["replicas"] == 2
    down = queue["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert down["stabilizationWindowSeconds"] >= 300
    assert down["selectPolicy"] == "Min"


def _with_version(image: str, version: str) -> dict[str, str]:
    """Staging's settings with another version of one image."""
    config = config_of("staging")
    images = json.loads(config["millrace:images"])
    images["versions"][image] = version
    return config | {"millrace:images": json.dumps(images)}


def test_jobs_have_another_name_for_another_version(both: dict[str, Rendered]) -> None:
    """A Job's template can never change; the same version is the same Job, and runs once."""
    names = {one.name for one in both["staging"].manifests if one.kind == "Job"}
    later = {one.name for one in render("staging", _with_version("app", "0.1.1")).manifests if one.kind == "Job"}
    assert len(names) == len(later) == 2
    assert not names & later


APPLICATION = {
    *(("Deployment", name) for name in ("gateway", "relay", "archiver", "beat", "flower")),
    *(("Deployment", f"worker-{queue}") for queue in ("interactive", "bulk", "external")),
    ("Job", "migrate"),
    ("Job", "topology"),
    ("CronJob", "retention"),
    ("CronJob", "operator"),
}


@pytest.mark.parametrize(
    ("image", "version", "expected"),
    [
        ("app", "0.1.1", APPLICATION),
        ("rabbitmq", "4.3-0.1.1", {("StatefulSet", "rabbitmq")}),
        ("postgresql", "0.1.1", {("StatefulSet", "postgresql"), ("CronJob", "postgresql-backup")}),
        ("redis", "0.1.1", {("StatefulSet", "redis")}),
        ("pgbouncer", "0.1.1", {("Deployment", "pgbouncer")}),
        ("objectstore", "0.1.1", {("StatefulSet", "objectstore")}),
    ],
)
def test_another_image_rolls_its_own_pods_and_no_others(
    both: dict[str, Rendered], image: str, version: str, expected: set[tuple[str, str]]
) -> None:
    """A mended gateway must not restart three brokers and the only database."""

    def known(rendered: Rendered) -> dict[tuple[str, str, str], Mapping[str, Any]]:
        jobs = {one.name: one.name.rpartition("-")[0] for one in rendered.manifests if one.kind == "Job"}
        return {(one.kind, one.namespace, jobs.get(one.name, one.name)): one.body for one in rendered.manifests}

    before, after = known(both["staging"]), known(render("staging", _with_version(image, version)))

    assert before.keys() == after.keys()
    assert {
        (kind, name) for kind, space, name in before if before[kind, space, name] != after[kind, space, name]
    } == expected


def test_a_changed_setting_changes_what_it_must_and_nothing_else(both: dict[str, Rendered]) -> None:
    """The broker's memory: its settings, its pods, and what is derived from the sum of all."""
    config = config_of("staging")
    broker = json.loads(config["millrace:broker"])
    broker["resources"]["memory"] = "1Gi"
    config["millrace:broker"] = json.dumps(broker)
    before = {(one.kind, one.namespace, one.name): one.body for one in both["staging"].manifests}
    after = {(one.kind, one.namespace, one.name): one.body for one in render("staging", config).manifests}
    assert before.keys() == after.keys()
    assert {key for key in before if before[key] != after[key]} == {
        ("ConfigMap", "millrace-data", "rabbitmq-config"),
        ("StatefulSet", "millrace-data", "rabbitmq"),
        ("ResourceQuota", "millrace-data", "millrace"),
    }


def test_a_changed_password_starts_its_pods_anew(both: dict[str, Rendered]) -> None:
    """The server's and the client's know by the hash of what they read; nothing else is touched."""

    def other(name: str) -> str:
        return "changed" if name == "relay-rabbitmq" else f"marked-{name}"

    before = {one.file_name: one.body for one in both["staging"].manifests}
    after = manifests(record(both["staging"].config, "staging", other))
    assert {(one.kind, one.name) for one in after if one.body != before[one.file_name]} == {
        ("StatefulSet", "rabbitmq"),
        ("Deployment", "relay"),
    }


def test_every_value_of_a_secret_is_marked_for_the_engine(rendered: Rendered) -> None:
    """So that the state has ciphertext: what is not marked stands there in plain text."""
    for one in rendered.registered:
        if one.type == "kubernetes:core/v1:Secret":
            data = one.inputs["stringData"]
            assert isinstance(data, SecretValue) or all(isinstance(value, SecretValue) for value in data.values())


def test_a_secret_in_the_wrong_place_is_refused(both: dict[str, Rendered]) -> None:
    """Planted in a ConfigMap."""
    registered = list(both["staging"].registered)
    index = next(i for i, one in enumerate(registered) if one.type == "kubernetes:core/v1:ConfigMap")
    leaky = {**registered[index].inputs, "data": {"note": SecretValue("marked")}}
    registered[index] = type(registered[index])(**{**vars(registered[index]), "inputs": leaky})
    with pytest.raises(RenderError, match=r"outside a Secret's data, at .*\.data\.note"):
        manifests(registered)


def test_no_right_in_the_cluster(rendered: Rendered) -> None:
    """No role, no binding, no token: nobody of ours may ask the API server anything."""
    assert not rendered.bodies("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    assert all(body["automountServiceAccountToken"] is False for body in rendered.bodies("ServiceAccount"))
