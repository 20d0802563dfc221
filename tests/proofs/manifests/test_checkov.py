"""The real checkov: good manifests pass, planted faults are found, and suppressions need a reason.

One scan for all tests, because checkov takes seconds to start: each case is a Deployment of its own.
"""

from __future__ import annotations

from functools import partial

import pytest

from infra.checks import checkov
from infra.checks.finding import Finding
from infra.lab.toolchain.cache import cache
from tests.proofs.manifests import good
from tests.proofs.manifests.good import Document

REASONS = {"checkov.io/skip1": "CKV_K8S_16=it drives a device", "checkov.io/skip2": "CKV_K8S_20=follows from it"}
#: Privileged Deployments, by the annotations that suppress what checkov says of them.
PRIVILEGED: dict[str, dict[str, str]] = {
    "planted": {},
    "reasons": REASONS,
    "no-reason": {**REASONS, "checkov.io/skip2": "CKV_K8S_20"},
    "empty-reason": {**REASONS, "checkov.io/skip2": "CKV_K8S_20="},
}


def _privileged(document: Document, name: str, annotations: dict[str, str]) -> None:
    context = document["spec"]["template"]["spec"]["containers"][0]["securityContext"]
    del context["allowPrivilegeEscalation"]
    context["privileged"] = True
    document["metadata"] |= {"name": name, "annotations": annotations}


def _unprotected(document: Document) -> None:
    document["metadata"]["name"] = "unprotected"
    document["spec"]["template"]["metadata"]["labels"] = {"app.kubernetes.io/name": "unprotected"}


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Finding, ...]:
    """Of all cases, in a hidden folder as renders are, for a person whose own settings of checkov hide faults."""
    home = tmp_path_factory.mktemp("home")
    render = home / ".millrace" / "render"
    render.mkdir(parents=True)
    (home / ".checkov.yaml").write_text("skip-check: [CKV_K8S_16, CKV_K8S_20]\n")
    good.write(render)
    for name, suppressed in PRIVILEGED.items():
        (render / name).mkdir()
        good.write(render / name, "deployment", change=partial(_privileged, name=name, annotations=suppressed))
    (render / "unprotected").mkdir()
    good.write(render / "unprotected", "deployment", change=_unprotected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache().parent))
        patch.setenv("HOME", str(home))
        patch.setenv("CKV_SKIP_CHECK", "CKV_K8S_16")
        return checkov.scan(render)


def _of(findings: tuple[Finding, ...], name: str) -> set[tuple[str, str]]:
    return {(finding.tool, finding.where) for finding in findings if finding.name == name}


def test_good_manifests_pass(findings: tuple[Finding, ...]) -> None:
    """Nothing is suppressed in them."""
    assert {finding.name for finding in findings} == {"planted", "no-reason", "empty-reason", "unprotected"}


def test_a_privileged_container_is_found(findings: tuple[Finding, ...]) -> None:
    """In its file and with its kind."""
    assert _of(findings, "planted") == {("checkov", "CKV_K8S_16"), ("checkov", "CKV_K8S_20")}
    places = {(finding.file, finding.kind) for finding in findings if finding.name == "planted"}
    assert places == {("planted/deployment.yaml", "Deployment")}


def test_a_suppression_with_a_reason_is_accepted(findings: tuple[Finding, ...]) -> None:
    """By checkov and by us."""
    assert _of(findings, "reasons") == set()


@pytest.mark.parametrize("name", ["no-reason", "empty-reason"])
def test_a_suppression_without_a_reason_is_a_finding(findings: tuple[Finding, ...], name: str) -> None:
    """Of ours: checkov accepts it."""
    assert _of(findings, name) == {("suppression", "checkov.io/skip2")}


def test_a_pod_without_a_network_policy_is_found(findings: tuple[Finding, ...]) -> None:
    """A check of how objects belong together; checkov names a pod, we name the Deployment."""
    assert _of(findings, "unprotected") == {("checkov", "CKV2_K8S_6")}
