"""The program rendered: the same every time, in order, with no value of a secret; and as a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import naming
from infra.render import __main__ as command
from infra.render.folder import INDEX
from infra.render.manifests import ANNOTATION_PROTECT, manifests
from infra.render.program import REPOSITORY, Program
from infra.render.recorder import SecretValue, record
from infra.render.text import text
from infra.settings.load import SettingsError
from tests.unit.infra.stacks import Rendered, render


def test_a_second_run_in_one_process_gives_the_same_also_after_one_that_failed(rendered: Rendered) -> None:
    """Pulumi's runtime is one a process, and must not remember; and nothing is random or of the clock."""
    stack = rendered.stack.environment
    with pytest.raises(SettingsError, match=r"millrace:broker\.storage: is missing"):
        record({**rendered.config, "millrace:broker": "{}"}, stack, str)
    again = render(stack, rendered.config)
    assert [text(one, stack) for one in again.manifests] == [text(one, stack) for one in rendered.manifests]
    assert {one.urn: one for one in again.registered} == {one.urn: one for one in rendered.registered}


def test_no_value_of_a_secret_is_rendered(rendered: Rendered) -> None:
    """Every password is marked. Only Secrets that were asked for with values hold a mark, or the hash of one."""
    written = json.dumps([dict(body) for body in rendered.bodies()])
    assert "marked-" not in written
    secrets = rendered.bodies("Secret")
    assert secrets
    assert not any("data" in body or "stringData" in body for body in secrets)
    values = {value for one in rendered.registered for value in _secret_values(one.inputs)}
    assert any("marked-worker-rabbitmq" in value for value in values)
    assert not [value for value in values if value in written]

    with_values = manifests(rendered.registered, with_secrets=True)
    assert {one.kind for one in with_values if "marked-" in text(one, "any")} == {"Secret"}
    assert "marked-" not in repr(with_values)


def _secret_values(value: Any) -> set[str]:
    if isinstance(value, SecretValue):
        return _texts(value.value)
    if isinstance(value, Mapping):
        return {found for inner in value.values() for found in _secret_values(inner)}
    return {found for inner in value for found in _secret_values(inner)} if isinstance(value, list) else set()


def _texts(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return {found for inner in value.values() for found in _texts(inner)}
    # User names are part of a basic-auth Secret and no secret.
    return {value} if isinstance(value, str) and len(value) > 12 else set()


def test_file_names_are_unique_and_sort_in_the_order_of_waves(rendered: Rendered) -> None:
    """`kubectl apply -f folder` goes by them."""
    names = [one.file_name for one in rendered.manifests]
    assert len(set(names)) == len(names)
    in_order = sorted(rendered.manifests, key=lambda one: one.file_name)
    assert [one.wave for one in in_order] == sorted(one.wave for one in in_order)


def test_what_is_protected_says_so_in_the_cluster(rendered: Rendered) -> None:
    """Who prunes has no other way to know."""
    marked = {
        one.urn for one in rendered.manifests if ANNOTATION_PROTECT in one.body["metadata"].get("annotations", {})
    }
    assert marked == {one.urn for one in rendered.manifests if one.protect}
    assert bool(marked) == rendered.stack.is_prod


def test_everything_can_be_found_again_by_its_labels(rendered: Rendered) -> None:
    """Or it would never be pruned."""
    expected = {naming.LABEL_MANAGED_BY: naming.MANAGER, naming.LABEL_STACK: rendered.stack.environment}
    assert [
        one.file_name for one in rendered.manifests if not expected.items() <= one.body["metadata"]["labels"].items()
    ] == []


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    """Maps have another order in each. This one is the command that `make render` runs."""
    words = [sys.executable, "-m", "infra.render", "staging", str(tmp_path / "out")]
    subprocess.run(words, cwd=REPOSITORY, env=os.environ | {"PYTHONHASHSEED": "1"}, capture_output=True, check=True)
    written = {file.name: file.read_text() for file in (tmp_path / "out").iterdir() if file.name != INDEX}
    assert written == {one.file_name: text(one, "staging") for one in Program.of("staging").references()}
    assert len(written) > 50


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("stagin",), "there is no stack 'stagin'; there are: prod, prod-aws, staging"),
        (("staging", "--stack-file", "nowhere.yaml"), "nowhere.yaml: cannot be read"),
        (("staging", "--stack-file", "wrong.yaml"), "millrace:broker: nodes 4 is even"),
    ],
)
def test_what_is_refused_is_one_message_and_nothing_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    says: str,
) -> None:
    """Exit code 2, and no traceback."""
    document = yaml.safe_load((REPOSITORY / "Pulumi.staging.yaml").read_text())
    document["config"]["millrace:broker"]["nodes"] = 4
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(document))
    stack, *options = (str(tmp_path / word) if word.endswith(".yaml") else word for word in words)
    monkeypatch.setattr("sys.argv", ["infra.render", stack, str(tmp_path / "out"), *options])
    with pytest.raises(SystemExit) as ended:
        command.main()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert says in printed.err
    assert not (tmp_path / "out").exists()
