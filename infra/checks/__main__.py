"""`python -m infra.checks manifests DIR`: are these manifests good?"""

from __future__ import annotations

import dataclasses
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.checks import checkov, kubeconform
from infra.checks.finding import CheckError, Finding
from infra.lab.toolchain import ToolError
from infra.local import files
from infra.local.progress import Steps
from infra.local.state import State

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
#: A pipe or a log has no width; folded at 80 columns the table could not be searched.
console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 200)


@app.callback()
def checks() -> None:
    """Checks of rendered manifests."""


@app.command()
def manifests(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="rendered manifests, *.yaml")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="for programs: a list of findings")] = False,
) -> None:
    """Check them with kubeconform and checkov; exits with 1 if there are findings."""
    state = State.default()
    files.folder(state.root, files.PUBLIC_FOLDER)
    with Steps(state, Console(stderr=True, soft_wrap=True)) as steps:
        found = check(folder, steps)
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(finding) for finding in found], indent=1))
    elif found:
        console.print(_table(found))
    else:
        console.print("[green]ok[/]  kubeconform and checkov find nothing", highlight=False)
    raise typer.Exit(1 if found else 0)


def check(folder: Path, steps: Steps | None = None) -> tuple[Finding, ...]:
    """The findings of both, which run side by side."""
    with ThreadPoolExecutor() as pool:
        runs = (pool.submit(kubeconform.validate, folder, steps), pool.submit(checkov.scan, folder, steps))
        return tuple(sorted(finding for run in runs for finding in run.result()))


def _table(found: tuple[Finding, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("file", "kind", "name", "check", "what"):
        table.add_column(column, overflow="fold")
    for finding in found:
        check = " ".join(filter(None, (finding.tool, finding.where)))
        # As Text, because messages have brackets of their own, which rich would take for its markup.
        table.add_row(*map(Text, (finding.file, finding.kind, finding.name, check, finding.what)))
    return table


def main() -> None:
    """Say what went wrong in its own words, without a traceback."""
    try:
        app()
    except (CheckError, ToolError) as error:
        Console(stderr=True, soft_wrap=True).print(str(error), style="red", markup=False, highlight=False)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
