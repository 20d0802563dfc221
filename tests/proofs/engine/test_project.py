"""A project run as the CLI runs it: Pulumi.yaml, the stack's settings, a program in another process."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.lab.staging.run import EngineError
from tests.proofs.engine.harness.engine import Engine

PROJECT = Path(__file__).parent / "project"


def test_a_project_runs_from_its_own_folder(tmp_path: Path) -> None:
    """`main` is obeyed, config reaches the program, and the settings of the project stay as they are."""
    settings = PROJECT / "Pulumi.test.yaml"
    before = settings.read_text()
    engine = Engine(folder=tmp_path, project=PROJECT, settings=settings)
    assert engine.up().counts == {"create": 8}
    assert engine.outputs() == {"image": "broker:7", "folder": "deploy"}
    assert not engine.preview().changed
    assert settings.read_text() == before


def test_a_missing_setting_is_said(tmp_path: Path) -> None:
    """Planted: a stack without its settings."""
    with pytest.raises(EngineError, match="shop:image"):
        Engine(folder=tmp_path, project=PROJECT).preview()
