"""`python -m infra.checks manifests`, as CI runs it, on the stacks as they are rendered for people."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from infra.render import folder as folders
from infra.render.program import Program
from infra.render.text import text


@pytest.fixture(scope="module", params=["staging", "prod", "prod-aws"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stack's folder of manifests."""
    out = tmp_path_factory.mktemp("render") / request.param
    manifests = Program.of(request.param).references()
    folders.write(out, {manifest.file_name: text(manifest, request.param) for manifest in manifests})
    return out


def _check(*words: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "infra.checks", "manifests", *words)
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_nothing_is_found_without_a_reason(folder: Path) -> None:
    """Schemas are strict: a field that nobody knows is a fault. What the scanner finds and we mean has its reason."""
    done = _check(str(folder))
    assert (done.returncode, done.stdout) == (0, "ok  kubeconform and checkov find nothing\n"), done.stderr


@pytest.mark.parametrize("folder", ["staging"], indirect=True)
def test_planted_faults_are_found(folder: Path, tmp_path: Path) -> None:
    """A typo in a custom resource, and a finding whose reason was removed; as a list for programs, alone on stdout."""
    planted = tmp_path / "planted"
    shutil.copytree(folder, planted)
    [certificate] = planted.glob("*-certificate-millrace-gateway-tls.yaml")
    certificate.write_text(certificate.read_text().replace("renewBefore:", "renewBefor:"))
    [broker] = planted.glob("*-statefulset-millrace-data-rabbitmq.yaml")
    body = yaml.safe_load(broker.read_text())
    del body["metadata"]["annotations"]
    broker.write_text(yaml.safe_dump(body))
    done = _check(str(planted), "--json")
    assert done.returncode == 1, done.stderr
    found = {(one["tool"], one["file"]) for one in json.loads(done.stdout)}
    assert found == {("kubeconform", certificate.name), ("checkov", broker.name)}
