"""The fault runs as a process of its own, and what it says is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.drill import Drill
from loadtests.fault import Fault


@pytest.fixture
def drill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drill:
    """A drill against a checkout in which no stack was ever started."""
    monkeypatch.setenv("MILLRACE_STATE_DIR", str(tmp_path / "state"))
    return Drill(tmp_path / "fault.jsonl", tmp_path / "chaos.log")


def test_a_drill_that_cannot_find_its_target_says_so(drill: Drill) -> None:
    """The real command runs, breaks nothing, and its reason reaches the verdict."""
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
