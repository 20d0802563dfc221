"""A load that is asked to finish does so in order, or is ended and called what it is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtests import generator as generators
from loadtests.errors import ScheduleError
from loadtests.generator import Generator
from loadtests.options import Options
from loadtests.plan import Plan
from loadtests.schedule import Schedule

#: Stands for Locust: says that it began, and ends when it is asked to, or not.
_FINISHES = "signal.signal(signal.SIGUSR1, lambda *_: sys.exit(0))"
_IGNORES = "signal.signal(signal.SIGUSR1, signal.SIG_IGN)"
_PROGRAM = "import pathlib, signal, sys\n{}\npathlib.Path(sys.argv[1]).write_text('1.0')\nwhile True: signal.pause()"


@pytest.fixture
def generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Generator]:
    """A generator whose process has the habit that the test names; it ends with the test."""
    habit: str = request.param
    popen = subprocess.Popen

    def instead(_: Any, **options: Any) -> subprocess.Popen[bytes]:
        return popen([sys.executable, "-S", "-c", _PROGRAM.format(habit), str(tmp_path / "started")], **options)

    monkeypatch.setattr(generators.subprocess, "Popen", instead)
    plan = Plan(
        run="r",
        gateway_url="",
        ca_file="",
        api_key_file="",
        ledger=str(tmp_path / "ledger"),
        started_file=str(tmp_path / "started"),
        users=1,
        schedule=Schedule(seconds=3000, singles_per_second=1, lists_per_second=0),
    )
    made = Generator(plan, tmp_path / "plan.json", tmp_path / "log")
    try:
        made.wait_for_start()
        yield made
    finally:
        made.stop()


@pytest.mark.parametrize("generator", [_FINISHES], indirect=True)
def test_it_finishes_when_it_is_asked(generator: Generator) -> None:
    """Long before its schedule ends, and without a word of complaint."""
    assert generator.wait(generator.finish, interval_seconds=0.02) is None


@pytest.mark.parametrize("generator", [_IGNORES], indirect=True)
def test_a_load_that_does_not_stop_is_ended_and_said(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has as long to finish as at its schedule's end."""
    monkeypatch.setattr(generators, "_END_SECONDS", 0.1)
    assert generator.wait(generator.finish, interval_seconds=0.02) == "it did not end in time"
    assert generator.process.poll() is not None


def test_a_fault_of_its_own_needs_a_length() -> None:
    """It comes at a share of it."""
    with pytest.raises(ScheduleError, match="--no-fault"):
        Options(out=Path(), until=Path("end"))
