"""`python -m infra.policy.command` on folders of manifests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from infra.policy import page
from infra.policy.command import app
from infra.policy.registry import RULES
from tests.unit.infra.policy.cases import GOOD
from tests.unit.infra.policy.stack import Manifest, changed

run = CliRunner().invoke


def write(folder: Path, manifests: list[Manifest]) -> str:
    """As a render does: files in order, several documents in one."""
    (folder / "inner").mkdir()
    (folder / "00.yaml").write_text(yaml.safe_dump_all(manifests[:5]))
    (folder / "inner" / "01.yml").write_text(yaml.safe_dump({"kind": "List", "items": manifests[5:]}) + "\n---\n")
    return str(folder)


def test_a_good_folder_passes(tmp_path: Path) -> None:
    """And it is said what was checked."""
    result = run(app, [write(tmp_path, GOOD)])
    assert result.exit_code == 0
    assert f"{len(GOOD)} manifests keep all {len(RULES)} rules for prod" in result.output


def test_a_bad_folder_fails_with_where_and_what_to_do(tmp_path: Path) -> None:
    """As a table for people, as JSON for programs."""
    folder = write(tmp_path, changed("relay", "spec/template/spec/containers/0/image", "app:0.1.0"))
    shown = run(app, [folder])
    assert shown.exit_code == 1
    assert "Deployment millrace/relay" in shown.output
    told = run(app, [folder, "--json"])
    [violation] = json.loads(told.output)
    assert told.exit_code == 1
    assert violation == {
        "rule": "image-digest",
        "enforcement": "mandatory",
        "resource": "Deployment millrace/relay",
        "path": "spec.template.spec.containers[relay].image",
        "value": "app:0.1.0",
        "advice": "append @sha256:… as `docker push` printed it",
    }
    assert run(app, [folder, "--environment", "staging"]).exit_code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "no manifests here"), ("a: [", "while parsing"), ("a: 1", "without a kind"), ("- 1", "without a kind")],
)
def test_what_is_no_folder_of_manifests_is_said_in_one_message(tmp_path: Path, text: str | None, said: str) -> None:
    """No traceback, exit code 2."""
    if text is not None:
        (tmp_path / "x.yaml").write_text(text)
    result = run(app, [str(tmp_path)])
    assert result.exit_code == 2
    assert str(tmp_path) in result.output
    assert said in result.output
    assert run(app, [str(tmp_path / "nowhere")]).exit_code == 2


def test_the_page_is_what_the_rules_say() -> None:
    """Change a rule, and `python -m infra.policy.page` writes the page again."""
    assert page.PAGE.read_text() == page.text()
