"""`python -m tests.suites test | proof | list`: what `make test`, `make proof` and CI call."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from tests.suites.runner import REPOSITORY, End, Result, run
from tests.suites.selection import chosen, in_order, still_fits
from tests.suites.table import PROOFS, TEST, Suite

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console()
#: A submission is a session's work: what was changed is what its commits changed.
_SUBMISSION = "4 hours ago"


Names = Annotated[list[str] | None, typer.Argument(help="suites; all, if none is named")]


@app.command("test")
def run_tests(names: Names = None) -> None:
    """Run `make test`: unit tests, then integration tests."""
    _end(run(_named(TEST, names), console))


@app.command("proof")
def run_proofs(
    names: Names = None,
    *,
    budget_seconds: Annotated[
        float | None, typer.Option(help="leave out what does not fit into this time; CI's choice")
    ] = None,
) -> None:
    """Run proofs: all of them, some by name, or what fits into a time."""
    wanted = _named(PROOFS, names)
    if budget_seconds is None:
        _end(run(wanted, console))
    ordered = in_order(wanted, changed=_changed(), commit=_git("rev-parse", "HEAD").strip())
    fitting = chosen(ordered, budget_seconds=budget_seconds)
    left_out = [suite for suite in ordered if suite not in fitting]

    def fits(suite: Suite, elapsed_seconds: float) -> bool:
        return suite in fitting and still_fits(
            suite, fitting, elapsed_seconds=elapsed_seconds, budget_seconds=budget_seconds
        )

    _end(run([*fitting, *left_out], console, fits=fits))


@app.command("list")
def list_suites(*, as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False) -> None:
    """Say what there is, what each proves, and what it costs."""
    if as_json:
        columns = ("name", "proves", "seconds", "always", "guards")
        typer.echo(json.dumps([{name: getattr(suite, name) for name in columns} for suite in (*TEST, *PROOFS)]))
        return
    table = Table()
    for column in ("suite", "seconds", "proves"):
        table.add_column(column, justify="right" if column == "seconds" else "left")
    for suite in PROOFS:
        table.add_row(suite.name, str(suite.seconds), suite.proves)
    console.print(table)
    minutes = sum(suite.seconds for suite in PROOFS) / 60
    console.print(f"`make proof SUITE=name` runs one, `make proof` all: about {minutes:.0f} minutes on two cores.")


def _named(suites: Sequence[Suite], names: Sequence[str] | None) -> list[Suite]:
    known = {suite.name: suite for suite in suites}
    if unknown := set(names or ()) - known.keys():
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: there are {', '.join(known)}")
    return [known[name] for name in names] if names else list(suites)


def _changed() -> list[str]:
    """Paths that the commits of this submission changed; all of them where the history does not say."""
    base = _git("rev-list", "-1", f"--before={_SUBMISSION}", "HEAD").strip()
    return _git("diff", "--name-only", base, "HEAD").splitlines() if base else _git("ls-files").splitlines()


def _git(*words: str) -> str:
    return subprocess.run(("git", *words), cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout


def _end(results: list[Result]) -> NoReturn:
    raise typer.Exit(1 if any(result.end is End.FAILED for result in results) else 0)


if __name__ == "__main__":
    # However this is ended, the suite that runs is ended too, in order. A shell starts commands in its background with
    # SIGINT ignored, and children inherit that: tests that interrupt a process of theirs waited for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()
