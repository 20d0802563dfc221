"""Suites one after the other: a failed one keeps none from running, and every end is told."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.harness.waiting import eventually
from tests.suites import __main__ as command_line, runner
from tests.suites.runner import End, run
from tests.suites.table import Suite

_PASSES = (sys.executable, "-c", "print('==== 3 passed, 1 warning in 0.12s ====')")
_FAILS = (
    sys.executable,
    "-c",
    "print('red in call: why\\n== 1 failed, 2 passed, 1 error in 0.12s =='); raise SystemExit(1)",
)
_HANGS = (sys.executable, "-c", "import signal; signal.pause()")
_HANGS_ON = (sys.executable, "-c", "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); signal.pause()")

_WAIT = """
import pathlib, sys, time
def path(number): return pathlib.Path(sys.argv[1 + number])
def touch(number): path(number).touch()
def wait(number):
    deadline = time.monotonic() + 60
    while not path(number).exists() and time.monotonic() < deadline: time.sleep(0.01)
"""


def _suite(name: str, *commands: tuple[str, ...]) -> Suite:
    return Suite(name=name, proves="", seconds=1, commands=commands)


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of this test's own."""
    monkeypatch.setattr(runner, "RESULTS", tmp_path)
    return tmp_path / "results.jsonl"


def test_a_failed_suite_keeps_none_from_running(results: Path) -> None:
    """Its later commands are not run; the next suite is; counts are those of pytest's closing lines."""
    shown = io.StringIO()
    suites = [_suite("bad", _FAILS, _PASSES), _suite("good", _PASSES, _PASSES)]
    bad, good = run(suites, Console(file=shown, width=200))
    assert (bad.end, bad.tests_passed, bad.tests_failed) == (End.FAILED, 2, 2)
    assert "exit code 1" in bad.why
    assert (good.end, good.tests_passed, good.tests_failed) == (End.PASSED, 6, 0)
    assert [json.loads(line)["suite"] for line in results.read_text().splitlines()] == ["bad", "good"]
    # Also where only the last lines of a log are seen.
    assert shown.getvalue().endswith(f"red in call: why\nfailed: bad; their output is in {runner.RESULTS}\n")


def test_what_does_not_fit_is_left_out_by_name() -> None:
    """It is in the table, and is no failure."""
    shown = io.StringIO()
    (left_out,) = run([_suite("long", _FAILS)], Console(file=shown, width=200), fits=lambda _suite, _elapsed: False)
    assert left_out.end is End.LEFT_OUT
    assert "long" in shown.getvalue()
    assert "failed" not in shown.getvalue().replace("│", "").split("why")[1]


def _python(code: str, *arguments: Path) -> tuple[str, ...]:
    return (sys.executable, "-c", f"{_WAIT}\n{code}", *map(str, arguments))


def test_what_is_made_beforehand_is_made_while_others_run(tmp_path: Path) -> None:
    """The first suite sees it begin, and it ends only when that has; the second finds it done."""
    begun, go_on, done = (tmp_path / name for name in ("begun", "go_on", "done"))
    make = _python("touch(0); wait(1); time.sleep(1); touch(2)", begun, go_on, done)
    first = _suite("first", _python("wait(0); touch(1)", begun, go_on))
    second = dataclasses.replace(_suite("second", _python("assert path(0).exists()", done)), beforehand=(make,))
    assert [result.end for result in run([first, second], Console(file=io.StringIO()))] == [End.PASSED, End.PASSED]


def test_what_is_made_beforehand_ends_with_the_run(tmp_path: Path) -> None:
    """Also when a person interrupts it."""
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    make = _python("touch(0)\ntry: wait(2)\nfinally: touch(1)", begun, ended, tmp_path / "never")

    def interrupt(_suite: Suite, _elapsed_seconds: float) -> bool:
        eventually(begun.exists, what="it began")
        raise KeyboardInterrupt

    suites = [dataclasses.replace(_suite("one", _PASSES), beforehand=(make,))]
    with pytest.raises(KeyboardInterrupt):
        run(suites, Console(file=io.StringIO()), fits=interrupt)
    assert ended.exists()


@pytest.mark.parametrize(("command", "exit_code"), [(_PASSES, 0), (_FAILS, 1)])
def test_the_exit_code_is_for_programs(
    command: tuple[str, ...], exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any failed suite fails the whole run, CI's too."""
    monkeypatch.setattr(command_line, "PROOFS", (_suite("one", command), _suite("other", _PASSES)))
    for words in (["proof"], ["proof", "--budget-seconds", "60"]):
        assert CliRunner().invoke(command_line.app, words).exit_code == exit_code


@pytest.mark.parametrize("hangs", [_HANGS, _HANGS_ON], ids=["gives up when asked to", "must be killed"])
def test_a_suite_that_hangs_is_ended(hangs: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time, with all that it started, and the next one runs."""
    monkeypatch.setattr(runner, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(runner, "PATIENCE", 0.5)
    monkeypatch.setattr(runner, "FAREWELL_SECONDS", 0.5)
    hung, good = run([_suite("hangs", hangs), _suite("good", _PASSES)], Console(file=io.StringIO()))
    assert hung.end is End.FAILED
    assert "hung" in hung.why
    assert good.suite == "good"
