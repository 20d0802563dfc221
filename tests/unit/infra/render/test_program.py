"""The program rendered: the same every time, in order, with no value of a secret; and as a command."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from infra import naming
from infra.render.manifests import ANNOTATION_PROTECT, Manifest
from infra.render.program import REPOSITORY, Program
from infra.render.text import text
from infra.settings.load import SettingsError

MARK = "MarkedSecretValue"


@pytest.fixture(scope="module", params=["staging", "prod"])
def program(request: pytest.FixtureRequest) -> Program:
    """Each stack."""
    return Program.of(request.param)


@pytest.fixture(scope="module")
def rendered(program: Program) -> tuple[Manifest, ...]:
    """Its manifests, from marked passwords."""
    return program.manifests(lambda name: f"{MARK}-{name}")


def test_a_second_run_in_one_process_gives_the_same_also_after_one_that_failed(
    program: Program, rendered: tuple[Manifest, ...]
) -> None:
    """Pulumi's runtime is one a process, and must not remember."""
    broken = dataclasses.replace(program, config={**program.config, "millrace:broker": "{}"})
    with pytest.raises(SettingsError, match=r"millrace:broker\.storage: is missing"):
        broken.references()
    again = program.manifests(lambda name: f"{MARK}-{name}")
    assert [text(one, program.stack) for one in again] == [text(one, program.stack) for one in rendered]


def test_no_value_of_a_secret_is_rendered(program: Program, rendered: tuple[Manifest, ...]) -> None:
    """A Secret has the names of its keys."""
    assert [one.file_name for one in rendered if MARK in text(one, program.stack)] == []
    with_values = program.manifests(lambda name: f"{MARK}-{name}", with_secrets=True)
    assert {one.kind for one in with_values if MARK in text(one, program.stack)} == {"Secret"}
    assert MARK not in repr(with_values)


def test_file_names_are_unique_and_sort_in_the_order_of_waves(rendered: tuple[Manifest, ...]) -> None:
    """`kubectl apply -f folder` goes by them."""
    names = [one.file_name for one in rendered]
    assert len(set(names)) == len(names)
    assert [one.wave for one in sorted(rendered, key=lambda one: one.file_name)] == sorted(one.wave for one in rendered)


def test_what_is_protected_says_so_in_the_cluster(program: Program, rendered: tuple[Manifest, ...]) -> None:
    """Who prunes has no other way to know."""
    marked = {one.urn for one in rendered if ANNOTATION_PROTECT in one.body["metadata"].get("annotations", {})}
    assert marked == {one.urn for one in rendered if one.protect}
    assert bool(marked) == program.settings.is_prod


def test_everything_can_be_found_again_by_its_labels(program: Program, rendered: tuple[Manifest, ...]) -> None:
    """Or it would never be pruned."""
    expected = {naming.LABEL_MANAGED_BY: naming.MANAGER, naming.LABEL_STACK: program.settings.environment}
    assert [one.file_name for one in rendered if not expected.items() <= one.body["metadata"]["labels"].items()] == []


def _render(*words: str, seed: str = "0") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.render", *words]
    environment = os.environ | {"PYTHONHASHSEED": seed}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    """Maps have another order in each."""
    outs = [tmp_path / seed for seed in ("1", "2")]
    for out in outs:
        assert _render("staging", str(out), seed=out.name).returncode == 0
    first, second = ({file.name: file.read_bytes() for file in out.iterdir()} for out in outs)
    assert first == second
    assert len(first) > 50


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("stagin",), "there is no stack 'stagin'; there are: prod, staging"),
        (("staging", "--stack-file", "nowhere.yaml"), "nowhere.yaml: cannot be read"),
        (("staging", "--stack-file", "wrong.yaml"), "millrace:broker: nodes 4 is even"),
    ],
)
def test_what_is_refused_is_one_message_and_nothing_is_written(
    tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    """Exit code 2, and no traceback."""
    document = yaml.safe_load((REPOSITORY / "Pulumi.staging.yaml").read_text())
    document["config"]["millrace:broker"]["nodes"] = 4
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(document))
    stack, *options = (str(tmp_path / word) if word.endswith(".yaml") else word for word in words)
    done = _render(stack, str(tmp_path / "out"), *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
