"""A stack is deployed to the cluster that its settings name, and to no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.cluster.__main__ import EXIT_REFUSED, main as operate_main
from infra.settings.context import PROVIDERS_KEY, at_home, context_of, wrong_context
from infra.settings.load import SettingsError, parse, read_stack_file
from infra.settings.stack import Stack

PROD = Path(__file__).parents[4] / "Pulumi.prod.yaml"


@pytest.fixture
def stack() -> Stack:
    """Prod, which belongs to the context `prod`."""
    return parse(read_stack_file(PROD), PROD.name)


@pytest.fixture
def current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A kubeconfig, by its current context."""

    def write(name: str) -> None:
        content = {
            "current-context": name,
            "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": "https://localhost:1"}}],
            "users": [{"name": "u", "user": {}}],
        }
        file = tmp_path / "kubeconfig"
        file.write_text(yaml.safe_dump(content))
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))

    return write


def test_the_current_context_must_be_the_stacks(stack: Stack, current: Any) -> None:
    """Planted: somebody looked at staging a moment ago."""
    current("staging")
    said = wrong_context(stack, {})
    assert said is not None
    assert "belongs to the kubeconfig's context 'prod', and 'staging' is current" in said
    current("prod")
    assert wrong_context(stack, {}) is None


def test_the_providers_own_setting_comes_first(stack: Stack, current: Any) -> None:
    """It is where the objects would go."""
    current("prod")
    assert "'staging'" in str(wrong_context(stack, {PROVIDERS_KEY: "staging"}))
    current("staging")
    assert wrong_context(stack, {PROVIDERS_KEY: "prod"}) is None


def test_no_kubeconfig_is_no_context(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said in our words."""
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", "/nowhere")
    assert "there is no current one" in str(wrong_context(stack, {}))


def test_prod_must_name_its_context() -> None:
    """Where it is left out, the current one would do."""
    config = read_stack_file(PROD)
    config["millrace:cluster"] = config["millrace:cluster"].replace('"context": "prod", ', "")
    with pytest.raises(SettingsError, match=r"cluster\.context is missing"):
        parse(config, "x")


def test_a_render_is_at_home() -> None:
    """It asks no cluster."""
    assert at_home({"millrace:cluster": '{"context": "a"}'})[PROVIDERS_KEY] == "a"
    assert at_home({"millrace:cluster": "no JSON"}) == {"millrace:cluster": "no JSON"}


def test_a_command_on_a_running_stack_goes_to_the_stacks_own_context() -> None:
    """Whichever is current; a stack without one goes to the one that is named, or to the current one."""
    prod = read_stack_file(PROD)
    assert context_of(prod, None) == context_of(prod, "prod") == "prod"
    assert context_of({}, "staging") == "staging"
    assert context_of({}, None) is None


def test_a_command_line_cannot_name_another_context_than_the_stack(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """The message names both, and no request is made."""
    monkeypatch.setattr(
        "sys.argv", ["infra.cluster", "operate", "--stack", "prod", "--context", "staging", "--", "version"]
    )
    with pytest.raises(SystemExit) as ended:
        operate_main()
    said = capsys.readouterr().err
    assert ended.value.code == EXIT_REFUSED
    assert "'prod'" in said
    assert "'staging'" in said


def test_a_command_on_an_unknown_stack_names_those_that_there_are(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Also when a cluster would answer."""
    monkeypatch.setattr("sys.argv", ["infra.cluster", "operate", "--stack", "prdo", "--", "version"])
    with pytest.raises(SystemExit) as ended:
        operate_main()
    assert ended.value.code == EXIT_REFUSED
    assert "there are: prod, prod-aws, staging" in capsys.readouterr().err
