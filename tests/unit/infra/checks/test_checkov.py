"""What checkov's report means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.checks import checkov
from infra.checks.finding import CheckError, Finding
from infra.checks.manifests import Manifest

GATEWAY = Manifest("20/gateway.yaml", {"kind": "Deployment", "metadata": {"name": "gateway", "namespace": "millrace"}})
WIDGET = Manifest("widget.yaml", {"kind": "Widget", "metadata": {"name": "widget"}})


def report(*failed: str, passed: tuple[str, ...] = ()) -> dict[str, Any]:
    """Resources with a failed check, and with a passed one."""
    checks = [
        {"resource": name, "check_id": "CKV_K8S_16", "check_name": "privileged", "file_path": "/20/gateway.yaml"}
        for name in failed
    ]
    return {"results": {"failed_checks": checks, "passed_checks": [{"resource": name} for name in passed]}}


@pytest.mark.parametrize("resource", ["Deployment.millrace.gateway", "Pod.millrace.gateway.app-gateway"])
def test_a_failed_check_is_a_finding_of_its_manifest(resource: str) -> None:
    """Also where checkov speaks of a pod that it made up from the template."""
    expected = Finding("20/gateway.yaml", "Deployment", "gateway", "checkov", "CKV_K8S_16", "privileged")
    assert list(checkov.findings([GATEWAY, WIDGET], report(resource))) == [expected]


def scan(monkeypatch: pytest.MonkeyPatch, folder: Path, said: dict[str, Any]) -> tuple[Finding, ...]:
    """A scan in which checkov says this."""
    monkeypatch.setattr(checkov, "run", lambda *_: said)
    (folder / "x.yaml").write_text("kind: Deployment\nmetadata: {name: gateway}\n---\nkind: Widget\n")
    return checkov.scan(folder)


def test_a_workload_that_checkov_passed_over_stops_the_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It has many checks for each, so that silence means that it did not read the file."""
    with pytest.raises(CheckError, match=r"checkov passed over Deployment\.default\.gateway"):
        scan(monkeypatch, tmp_path, {"passed": 0})


def test_a_kind_that_checkov_does_not_know_may_be_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Kubeconform has looked at it."""
    assert scan(monkeypatch, tmp_path, report(passed=("Deployment.default.gateway",))) == ()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo Traceback >&2; exit 2", r"checkov stopped with 2:\nTraceback"),
        ("echo hello", "checkov said no JSON: hello"),
        ("echo []", "several frameworks"),
    ],
)
def test_a_checkov_that_fails_is_not_a_clean_bill(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, expected: str
) -> None:
    """Its own words are passed on."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "checkov"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(checkov, "environment", lambda *_: tmp_path)
    (tmp_path / "x.yaml").write_text("kind: Widget\n")
    with pytest.raises(CheckError, match=expected):
        checkov.scan(tmp_path)


def test_a_reason_that_would_stop_checkov_is_said_instead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A finding helps more than checkov's traceback."""
    monkeypatch.setattr(checkov, "run", lambda *_: pytest.fail("checkov must not run"))
    (tmp_path / "x.yaml").write_text("kind: Pod\nmetadata:\n  annotations: {checkov.io/skip1: CKV_K8S_43=a=b}\n")
    (finding,) = checkov.scan(tmp_path)
    assert "an `=` in it" in finding.what
