"""What is found out before anything is changed, and who deploys."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from infra.deploy import pulumi_cli
from infra.deploy.__main__ import app
from infra.deploy.cluster import Cluster
from infra.deploy.errors import Cause, NothingChangedError, RefusedError
from infra.deploy.operate import job
from infra.deploy.plan import OPERATORS, explained, require_kinds
from infra.deploy.pulumi_cli import Engine
from infra.render.manifests import Manifest
from infra.render.program import Program


class _Bare:
    """A cluster with what Kubernetes itself brings."""

    def serves(self, api_version: str, kind: str) -> bool:
        return "." not in api_version.replace(".k8s.io", "")


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_kinds_that_a_cluster_lacks_are_named_with_who_brings_them(stack: str) -> None:
    """Each of them, at once."""
    manifests = Program.of(stack).references()
    with pytest.raises(NothingChangedError) as refused:
        require_kinds(cast("Cluster", _Bare()), manifests)
    groups = {one.body["apiVersion"].rpartition("/")[0] for one in manifests}
    message = str(refused.value)
    for group, operator in OPERATORS.items():
        assert (operator in message) == (group in groups), group
    assert "its CRD" not in message


def test_a_conflict_says_who_has_what_and_how_to_go_on() -> None:
    """The API server says it in a sentence of its own."""
    cause = Cause("FieldManagerConflict", ".spec.replicas", 'conflict with "kubectl-edit" using apps/v1')
    lines = list(explained(RefusedError("Deployment millrace/relay", 409, "Conflict", "Apply failed", (cause,))))
    assert lines[0] == '  Deployment millrace/relay: .spec.replicas belongs to "kubectl-edit"'
    assert "--force" in lines[1]


@pytest.mark.parametrize(
    ("wish", "there", "directly", "engine"),
    [
        (Engine.AUTO, ("pulumi", "pulumi-language-python"), False, Engine.PULUMI),
        (Engine.AUTO, ("pulumi", "pulumi-language-python"), True, Engine.DIRECT),
        (Engine.AUTO, ("pulumi",), False, Engine.DIRECT),
        (Engine.AUTO, (), False, Engine.DIRECT),
        (Engine.DIRECT, ("pulumi", "pulumi-language-python"), False, Engine.DIRECT),
        (Engine.PULUMI, (), True, Engine.PULUMI),
    ],
)
def test_whoever_has_the_passwords_deploys_otherwise_pulumi_where_it_can(
    monkeypatch: pytest.MonkeyPatch, wish: Engine, there: tuple[str, ...], directly: bool, engine: Engine
) -> None:
    """A change of hands would generate everything anew."""
    monkeypatch.setattr("infra.deploy.pulumi_cli.shutil.which", lambda name: name if name in there else None)
    assert pulumi_cli.chosen(wish, deployed_directly=directly) is engine


def test_pulumi_is_given_stack_and_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The context comes from a file that stands before the person's own."""
    fake = tmp_path / "pulumi"
    fake.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/said\ncat "${{KUBECONFIG%%:*}}" >>{tmp_path}/said\nexit 7\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert pulumi_cli.run("up", "staging", "their-context") == 7
    said = (tmp_path / "said").read_text()
    assert said.startswith("up -s staging\n")
    assert "current-context: their-context" in said


def test_prod_is_not_destroyed_by_the_wrong_word() -> None:
    """Before a cluster is even looked for."""
    done = CliRunner().invoke(app, ["destroy", "prod"])
    assert isinstance(done.exception, NothingChangedError)
    assert "YES_DESTROY_PROD=1" in str(done.exception)


def test_a_command_of_the_operator_runs_once_and_goes_with_its_template() -> None:
    """As a child of the CronJob, so that no deployment prunes it."""
    (found,) = [one for one in Program.of("staging").references() if _is_operator(one)]
    template = {**found.body, "metadata": {**found.body["metadata"], "uid": "7"}}
    made: dict[str, Any] = job(template, ["dead-letters", "list"], "abc")
    assert made["metadata"]["name"] == "operator-abc"
    assert (
        made["metadata"]["ownerReferences"][0] | {"uid": "7", "kind": "CronJob"}
        == made["metadata"]["ownerReferences"][0]
    )
    assert made["spec"]["backoffLimit"] == 0
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["dead-letters", "list"]
    before = template["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert {**container, "args": before["args"]} == before


def _is_operator(one: Manifest) -> bool:
    return (one.kind, one.name) == ("CronJob", "operator")
