"""Exit codes of `python -m loadtests`, and the one place where errors become exit codes."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import psycopg
import typer
from rich.console import Console
from typer.core import TyperGroup
from typer.exceptions import TyperException

from loadtests.errors import HarnessError
from loadtests.objectives import Objective
from loadtests.verdict import Verdict


class ExitCode(IntEnum):
    """Scripts rely on these numbers (docs/verdict.md)."""

    PASSED = 0
    OBJECTIVE_MISSED = 1
    INVARIANT_BROKEN = 2
    VOID = 3
    #: The run could not begin or not be judged; nothing is known about the system. Also a mistake in the command line.
    COULD_NOT_RUN = 4
    #: As shells have it for Ctrl-C.
    INTERRUPTED = 130


def exit_code(verdict: Verdict, objectives: Sequence[Objective]) -> ExitCode:
    """The gravest first: what was lost is lost, and what proves nothing says nothing about objectives either."""
    if verdict is Verdict.FAIL:
        return ExitCode.INVARIANT_BROKEN
    if verdict is Verdict.VOID:
        return ExitCode.VOID
    return ExitCode.PASSED if all(objective.met for objective in objectives) else ExitCode.OBJECTIVE_MISSED


class Commands(TyperGroup):
    """The commands. Click ends with 2 after a mistake in the command line, and Python with 1 after an exception.

    Here both are 4, because 1 and 2 speak of the system under test.
    """

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Read the words before the command's name."""
        try:
            return super().make_context(*args, **options)
        except TyperException as error:
            error.exit_code = ExitCode.COULD_NOT_RUN
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        console = Console(stderr=True)
        try:
            return super().invoke(ctx)
        except TyperException as error:
            error.exit_code = ExitCode.COULD_NOT_RUN
            raise
        except (typer.Exit, typer.Abort):
            raise
        except HarnessError as error:
            console.print(str(error), style="red", markup=False, highlight=False)
        except psycopg.Error as error:
            console.print(f"PostgreSQL went away in the middle of the run: {error}", style="red", markup=False)
        except Exception:  # noqa: BLE001 - a fault of the harness itself says nothing about the system
            console.print_exception()
        raise typer.Exit(ExitCode.COULD_NOT_RUN)
