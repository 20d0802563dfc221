"""What kubeconform's answer means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.checks import kubeconform
from infra.checks.finding import Finding

FOLDER = Path("/render")


def answer(status: str, *faults: dict[str, str], message: str = "") -> dict[str, Any]:
    """One resource of its JSON."""
    return {
        "filename": "/render/10-a/x.yaml",
        "kind": "Deployment",
        "name": "gateway",
        "status": status,
        "msg": message,
        "validationErrors": list(faults),
    }


def found(*resources: dict[str, Any]) -> list[Finding]:
    """What is made of it."""
    return list(kubeconform.findings(FOLDER, [FOLDER / "10-a" / "x.yaml"], resources))


def test_a_valid_manifest_is_no_finding() -> None:
    """Nothing else passes."""
    assert found(answer("statusValid")) == []


def test_every_fault_is_a_finding_of_its_own() -> None:
    """With its place in the manifest."""
    faults = ({"path": "/spec", "msg": "additional properties 'replcas' not allowed"}, {"path": "/a", "msg": "b"})
    assert found(answer("statusInvalid", *faults)) == [
        Finding("10-a/x.yaml", "Deployment", "gateway", "kubeconform", fault["path"], fault["msg"]) for fault in faults
    ]


@pytest.mark.parametrize("status", ["statusError", "statusSkipped", "statusOfTomorrow"])
def test_what_was_not_checked_is_a_finding(status: str) -> None:
    """A skipped manifest did not pass."""
    (finding,) = found(answer(status))
    assert finding.what == status
    (finding,) = found(answer(status, message="could not find schema for Widget"))
    assert finding.what == "could not find schema for Widget"


def test_a_file_that_it_did_not_speak_of_is_a_finding() -> None:
    """An empty file, for one."""
    (finding,) = found()
    assert (finding.file, finding.what) == ("10-a/x.yaml", "there is no manifest in it")
