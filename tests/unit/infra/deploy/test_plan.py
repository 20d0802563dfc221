"""What is found out before anything is changed, and who deploys."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.deploy import pulumi_cli
from infra.deploy.__main__ import app
from infra.deploy.errors import Cause, NothingChangedError, RefusedError
from infra.deploy.plan import explained
from infra.deploy.pulumi_cli import Engine
from infra.deploy.requests import connect


@pytest.mark.parametrize("content", ["a: [b", "just text", "[]", "contexts: 3", "current-context: [a]\ncontexts: [b]"])
def test_a_file_that_is_no_kubeconfig(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said with the file, whatever the library trips over."""
    file = tmp_path / "config"
    file.write_text(content)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    monkeypatch.setenv("KUBECONFIG", str(file))

    with pytest.raises(NothingChangedError, match="KUBECONFIG") as caught:
        connect(None)

    assert str(file) in str(caught.value)


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
