"""The real kubeconform on the real schemas: good manifests pass, and each planted fault is found where it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from infra.checks import kubeconform
from infra.checks.schemas import crd_documents
from tests.proofs.manifests import good
from tests.proofs.manifests.good import Document


def test_good_manifests_pass(tmp_path: Path) -> None:
    """All kinds, those of operators too."""
    assert kubeconform.validate(good.write(tmp_path)) == ()


def _rename(part: Document, old: str, new: str) -> None:
    part[new] = part.pop(old)


@pytest.mark.parametrize(
    ("name", "change", "where", "what"),
    [
        pytest.param("deployment", lambda d: _rename(d["spec"], "strategy", "stratgy"), "/spec", "stratgy", id="typo"),
        pytest.param(
            "deployment",
            lambda d: _rename(d["spec"]["template"]["spec"]["containers"][0], "livenessProbe", "livenesProbe"),
            "/spec/template/spec/containers/0",
            "livenesProbe",
            id="typo deep inside",
        ),
        pytest.param("deployment", lambda d: d["spec"].update(replicas="3"), "/spec/replicas", "integer", id="type"),
        pytest.param("deployment", lambda d: d["spec"].update(replicas=None), "/spec/replicas", "null", id="null"),
        pytest.param(
            "deployment", lambda d: d["metadata"].update(labels={"a": 1}), "/metadata/labels/a", "string", id="label"
        ),
        pytest.param("deployment", lambda d: d["spec"].pop("selector"), "/spec", "selector", id="required"),
        pytest.param("deployment", lambda d: d.update(kind="Deploiment"), "", "could not find schema", id="kind"),
        pytest.param("deployment", lambda d: d.update(kind="deployment"), "/kind", "Deployment", id="case of a kind"),
        pytest.param("deployment", lambda d: d.update(apiVersion="apps/v2"), "", "could not find", id="version"),
        pytest.param(
            "networkpolicy", lambda d: d.update(apiVersion="networking.k8s.oi/v1"), "", "could not find", id="group"
        ),
        pytest.param("pdb", lambda d: d["spec"].update(maxUnavailable=[1]), "/spec/maxUnavailable", "got", id="int-or"),
        pytest.param(
            "scaledobject",
            lambda d: _rename(d["spec"], "minReplicaCount", "minReplicasCount"),
            "/spec",
            "minReplicasCount",
            id="ScaledObject",
        ),
        pytest.param(
            "scaledobject",
            lambda d: d["spec"]["triggers"][0]["metadata"].update(value=100),
            "/spec/triggers/0/metadata/value",
            "string",
            id="number in a trigger",
        ),
        pytest.param(
            "certificate",
            lambda d: _rename(d["spec"]["issuerRef"], "kind", "kinds"),
            "/spec/issuerRef",
            "kinds",
            id="Certificate",
        ),
        pytest.param(
            "certificate",
            lambda d: d["spec"]["privateKey"].update(algorithm="DSA"),
            "/spec/privateKey/algorithm",
            "ECDSA",
            id="value of a Certificate",
        ),
        pytest.param("cluster", lambda d: _rename(d["spec"], "storage", "storge"), "/spec", "storge", id="Cluster"),
        pytest.param(
            "cluster",
            lambda d: d["metadata"].update(nmespace="a"),
            "/metadata",
            "nmespace",
            id="metadata of a Cluster",
        ),
        pytest.param(
            "scheduledbackup",
            lambda d: d["spec"].update(method="dump"),
            "/spec/method",
            "volumeSnapshot",
            id="ScheduledBackup",
        ),
        pytest.param(
            "objectstore",
            lambda d: _rename(d["spec"]["configuration"]["wal"], "maxParallel", "maxParalel"),
            "/spec/configuration/wal",
            "maxParalel",
            id="ObjectStore",
        ),
        pytest.param(
            "prometheusrule",
            lambda d: d["spec"]["groups"][0]["rules"][0].update({"for": "5 minutes"}),
            "/spec/groups/0/rules/0/for",
            "pattern",
            id="PrometheusRule",
        ),
    ],
)
def test_a_planted_fault_is_found(
    tmp_path: Path, name: str, change: Callable[[Document], object], where: str, what: str
) -> None:
    """At its place, and among good manifests it is the only one."""
    good.write(tmp_path)
    good.write(tmp_path, name, change=change)
    findings = kubeconform.validate(tmp_path)
    assert {finding.file for finding in findings} == {f"{name}.yaml"}
    assert any(finding.where == where and what in finding.what for finding in findings), findings


@pytest.mark.parametrize("text", ["", "# nothing\n", "a: [b", "kind: Service\n", "- kind: Service\n"])
def test_what_is_no_manifest_is_found(tmp_path: Path, text: str) -> None:
    """A file that was written wrong does not pass as checked."""
    good.write(tmp_path, "service")
    (tmp_path / "x.yaml").write_text(text)
    assert {finding.file for finding in kubeconform.validate(tmp_path)} == {"x.yaml"}


def test_a_field_twice_is_found(tmp_path: Path) -> None:
    """YAML takes the last one, silently."""
    (tmp_path / "x.yaml").write_text("apiVersion: v1\nkind: Namespace\nkind: Namespace\nmetadata: {name: a}\n")
    (finding,) = kubeconform.validate(tmp_path)
    assert "already set" in finding.what


def test_the_crds_are_good_manifests_themselves(tmp_path: Path) -> None:
    """So that an API server takes them; every kind that we use is there."""
    crds = crd_documents()
    for crd in crds:
        (tmp_path / f"{crd['metadata']['name']}.yaml").write_text(yaml.safe_dump(crd))
    assert kubeconform.validate(tmp_path) == ()
    kinds = {crd["spec"]["names"]["kind"] for crd in crds}
    assert kinds >= {"ScaledObject", "TriggerAuthentication", "Certificate", "Issuer", "Cluster"}
    assert kinds >= {"ScheduledBackup", "ObjectStore", "ServiceMonitor", "PodMonitor", "PrometheusRule"}
