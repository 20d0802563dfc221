"""The fault runs as a process of its own, and what it says is kept."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest
from typer.testing import CliRunner

from chaos.cli import app
from loadtests.drill import Drill
from loadtests.fault import Fault


@pytest.fixture
def drill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drill:
    """A drill against a checkout in which no stack was ever started; what it starts runs in this process."""
    monkeypatch.setenv("MILLRACE_STATE_DIR", str(tmp_path / "state"))

    def run(command: list[str], *, stdout: BinaryIO, **_: Any) -> SimpleNamespace:
        python, option, package, *words = command
        assert (python, option, package) == (sys.executable, "-m", "chaos")
        done = CliRunner().invoke(app, words)
        stdout.write(done.stdout.encode())
        return SimpleNamespace(poll=lambda: done.exit_code, wait=lambda **_: done.exit_code)

    monkeypatch.setattr("loadtests.drill.subprocess.Popen", run)
    # The command takes over the signals of its process; this one is pytest's.
    monkeypatch.setattr("signal.signal", lambda *_: None)
    return Drill(tmp_path / "fault.jsonl", tmp_path / "chaos.log")


def test_a_drill_that_cannot_find_its_target_says_so(drill: Drill) -> None:
    """The real command breaks nothing, and its reason reaches the verdict."""
    drill.start_in(0)

    fault = drill.finish()

    assert not drill.running
    assert not fault.confirmed
    assert fault.error is not None
    assert "make up" in fault.error


def test_a_drill_that_has_not_begun_is_called_off(drill: Drill) -> None:
    """An interrupted load breaks nothing afterwards."""
    drill.start_in(10)
    assert drill.running
    drill.abort()

    assert drill.finish() == Fault()
    assert not drill.running
