"""Suites one after the other: a failed one keeps none from running, and every end is told."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from dataclasses import replace
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


def test_a_suite_that_waits_is_no_reason_to_wait(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One that runs beside the others ends after them here, says what it says in its log, and keeps its place."""
    told = tmp_path / "told"
    waits = f"import pathlib, time\nwhile not pathlib.Path({str(told)!r}).exists(): time.sleep(0.01)\nprint('beside')"
    tells = f"import pathlib; pathlib.Path({str(told)!r}).touch(); print('shown')"
    first = replace(_suite("first", (sys.executable, "-c", waits)), beside=True)
    ends = run([first, _suite("second", (sys.executable, "-c", tells))], Console(file=io.StringIO()))
    assert [(end.suite, end.end) for end in ends] == [("first", End.PASSED), ("second", End.PASSED)]
    assert capfd.readouterr().out == "shown\n"
    assert (tmp_path / "first.log").read_text() == "beside\n"


def test_a_suite_beside_others_that_fails_is_red() -> None:
    """Wherever it ran."""
    shown = io.StringIO()
    bad = replace(_suite("bad", _FAILS), beside=True)
    ends = run([bad, _suite("good", _PASSES)], Console(file=shown, width=200))
    assert [end.end for end in ends] == [End.FAILED, End.PASSED]
    assert "failed: bad" in shown.getvalue()


_WAITS = """
import pathlib, signal, sys
try:
    pathlib.Path(sys.argv[1] + ".begun").touch()
    signal.pause()
except KeyboardInterrupt:
    pathlib.Path(sys.argv[1] + ".ended").touch()
"""
_RUNS_TWO = """
import io, pathlib, signal, sys
from rich.console import Console
from tests.suites import runner
from tests.suites.table import Suite
signal.signal(signal.SIGINT, signal.default_int_handler)
runner.RESULTS = pathlib.Path(sys.argv[1])
def waits(name):
    command = (sys.executable, "-c", sys.argv[2], str(runner.RESULTS / name))
    return Suite(name=name, proves="", seconds=1, commands=(command,), beside=True)
runner.run([waits("beside"), waits("front")], Console(file=io.StringIO()))
"""


def test_an_interrupt_ends_all_that_run(tmp_path: Path) -> None:
    """The suite in front and the one beside it; each is asked, so that it can clean up."""
    command = (sys.executable, "-c", _RUNS_TWO, str(tmp_path), _WAITS)
    with subprocess.Popen(command, cwd=runner.REPOSITORY, stderr=subprocess.DEVNULL) as process:
        eventually(lambda: len(list(tmp_path.glob("*.begun"))) == 2, what="both run")
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30)
        finally:
            process.kill()
    assert sorted(path.name for path in tmp_path.glob("*.ended")) == ["beside.ended", "front.ended"]


def test_what_does_not_fit_is_left_out_by_name() -> None:
    """It is in the table, and is no failure."""
    shown = io.StringIO()
    (left_out,) = run([_suite("long", _FAILS)], Console(file=shown, width=200), fits=lambda _suite, _elapsed: False)
    assert left_out.end is End.LEFT_OUT
    assert "long" in shown.getvalue()
    assert "failed" not in shown.getvalue().replace("│", "").split("why")[1]


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
