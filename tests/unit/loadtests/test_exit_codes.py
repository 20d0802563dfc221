"""What the commands return: 1 and 2 speak of the system alone, so whatever is the harness's own fault is 4."""

from __future__ import annotations

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from loadtests.cli import app
from loadtests.errors import NotReadyError
from loadtests.exit_codes import Commands, ExitCode, exit_code
from loadtests.objectives import Objective
from loadtests.verdict import Verdict
from tests.unit.loadtests.test_objectives import PAGE

MET = Objective(key="k", name="n", bound=1, measured=1, met=True, detail="d")
MISSED = Objective(key="k", name="n", bound=1, measured=None, met=False, detail="d")


@pytest.mark.parametrize(
    ("verdict", "objectives", "code"),
    [
        (Verdict.PASS, [MET], 0),
        (Verdict.PASS, [], 0),
        (Verdict.PASS, [MET, MISSED], 1),
        (Verdict.FAIL, [MET], 2),
        (Verdict.FAIL, [MISSED], 2),
        (Verdict.VOID, [MET], 3),
        (Verdict.VOID, [MISSED], 3),
    ],
)
def test_the_gravest_decides(verdict: Verdict, objectives: list[Objective], code: int) -> None:
    """Lost is lost; and a run that proves nothing does not say that an objective was missed."""
    assert exit_code(verdict, objectives) == code


def test_the_documentation_names_every_code() -> None:
    """Scripts rely on them."""
    assert [f"| {int(code)} | " in PAGE for code in ExitCode] == [True] * len(ExitCode)
    assert {code.name: int(code) for code in ExitCode} == {
        "PASSED": 0, "OBJECTIVE_MISSED": 1, "INVARIANT_BROKEN": 2, "VOID": 3, "COULD_NOT_RUN": 4, "INTERRUPTED": 130,
    }  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        [], ["--bogus"], ["bogus"], ["demo", "--bogus"], ["demo", "--seconds", "soon"], ["demo", "--max-failed", "2"],
        ["compare", "one"], ["report", "/nowhere"],
    ],
)  # fmt: skip
def test_a_mistake_in_the_command_line_is_no_broken_invariant(words: list[str]) -> None:
    """Click would end with 2."""
    assert CliRunner().invoke(app, words).exit_code == ExitCode.COULD_NOT_RUN


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotReadyError("no gateway"), "The stack is not ready"),
        (psycopg.OperationalError("gone"), "PostgreSQL went away"),
        (ZeroDivisionError("a bug"), "ZeroDivisionError: a bug"),
    ],
)
def test_an_error_of_the_harness_is_no_missed_objective(error: Exception, said: str) -> None:
    """Python would end with 1 after an exception that nobody caught."""
    commands = typer.Typer(cls=Commands)

    @commands.command()
    def fails() -> None:
        raise error

    @commands.command()
    def passes() -> None:
        raise typer.Exit(ExitCode.VOID)

    result = CliRunner().invoke(commands, ["fails"])
    assert result.exit_code == ExitCode.COULD_NOT_RUN
    assert said in result.stderr
    assert CliRunner().invoke(commands, ["passes"]).exit_code == ExitCode.VOID
    assert CliRunner().invoke(commands, ["--help"]).exit_code == 0
