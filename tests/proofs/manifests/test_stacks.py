"""Both stacks as they are rendered for people: schemas of Kubernetes and of every CRD, and the scanner's findings."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from infra.checks import checkov, kubeconform
from infra.render import folder as folders
from infra.render.program import Program
from infra.render.text import text

STACKS = ("staging", "prod")


@pytest.fixture(scope="module", params=STACKS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stack's folder of manifests."""
    out = tmp_path_factory.mktemp("render") / request.param
    manifests = Program.of(request.param).references()
    folders.write(out, {manifest.file_name: text(manifest, request.param) for manifest in manifests})
    return out


def test_every_manifest_is_what_its_schema_says(folder: Path) -> None:
    """Strictly: a field that nobody knows is a fault."""
    assert kubeconform.validate(folder) == ()


def test_the_scanner_finds_nothing_without_a_reason(folder: Path) -> None:
    """What it finds and we mean is said beside the resource."""
    assert checkov.scan(folder) == ()


def test_planted_faults_are_found(folder: Path, tmp_path: Path) -> None:
    """A typo in a custom resource, and a finding whose reason was removed."""
    planted = tmp_path / "planted"
    shutil.copytree(folder, planted)
    [certificate] = planted.glob("*-certificate-millrace-gateway-tls.yaml")
    certificate.write_text(certificate.read_text().replace("renewBefore:", "renewBefor:"))
    [broker] = planted.glob("*-statefulset-millrace-data-rabbitmq.yaml")
    body = yaml.safe_load(broker.read_text())
    del body["metadata"]["annotations"]
    broker.write_text(yaml.safe_dump(body))
    assert {finding.name for finding in kubeconform.validate(planted)} == {"gateway-tls"}
    assert {finding.name for finding in checkov.scan(planted)} == {"rabbitmq"}
