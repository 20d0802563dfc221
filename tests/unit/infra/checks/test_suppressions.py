"""Our rule about checkov's suppressions."""

from __future__ import annotations

from typing import Any

import pytest

from infra.checks import suppressions
from infra.checks.manifests import Manifest


def faults(annotations: dict[str, Any], **rest: Any) -> list[str]:
    """What is found in an object with these annotations."""
    document = {"kind": "Deployment", "metadata": {"name": "gateway", "annotations": annotations}, **rest}
    return [finding.what for finding in suppressions.findings(Manifest("x.yaml", document))]


@pytest.mark.parametrize("value", ["CKV_K8S_43=the digest is set by the release", "CKV2_K8S_6=no pods of its own"])
def test_a_check_with_a_reason_is_accepted(value: str) -> None:
    """Checks of single objects, and of how objects belong together."""
    assert faults({"checkov.io/skip1": value, "other": "CKV_K8S_1"}) == []


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("checkov.io/skip1", "CKV_K8S_43", "without a reason"),
        ("checkov.io/skip1", "CKV_K8S_43=", "without a reason"),
        ("checkov.io/skip1", "CKV_K8S_43= ", "without a reason"),
        ("checkov.io/skip1", "CKV_K8S_43=a=b", "an `=` in it"),
        ("checkov.io/skip1", "CKV_K8S_43 =a", "no check of checkov's"),
        ("checkov.io/skip1", "CKV_K8S_43,CKV_K8S_8=both", "no check of checkov's"),
        ("checkov.io/skip1", "CKV_AWS_1=a", "no check of checkov's"),
        ("checkov.io/skip1", None, "no check of checkov's"),
        ("checkov.io/skip", "CKV_K8S_43=a", "write the key as"),
        ("bridgecrew.io/skip1", "CKV_K8S_43=a", "write the key as"),
    ],
)
def test_others_are_findings(key: str, value: str | None, expected: str) -> None:
    """Checkov accepts most of them, and stops at some."""
    (fault,) = faults({key: value})
    assert expected in fault


def test_in_a_template_it_would_be_ignored() -> None:
    """Of a Deployment, and deeper, of a CronJob; also in a list."""
    template = {"metadata": {"annotations": {"checkov.io/skip1": "CKV_K8S_43=a"}}}
    assert "on the object itself" in faults({}, spec={"template": template})[0]
    assert "on the object itself" in faults({}, spec={"jobTemplate": {"spec": {"template": template}}})[0]
    assert "on the object itself" in faults({}, spec={"volumeClaimTemplates": [template]})[0]


@pytest.mark.parametrize("metadata", [None, "text", {"annotations": None}, {"annotations": []}, {}])
def test_objects_without_annotations(metadata: object) -> None:
    """Kubeconform says what is wrong with them; this does not stumble."""
    assert list(suppressions.findings(Manifest("x.yaml", {"kind": "A", "metadata": metadata}))) == []
