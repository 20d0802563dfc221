"""How findings are shown: a table for people, JSON for programs; the command's exit code says whether there are any."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.checks.finding import Finding

#: A pipe or a log has no width; folded at 80 columns the table could not be searched.
console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 200)


def show(found: Sequence[Finding], nothing: str, *, as_json: bool) -> None:
    """Print them, or that there is `nothing`.

    Raises:
        typer.Exit: always; with 1 if there are findings, else with 0.
    """
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(finding) for finding in found], indent=1))
    elif found:
        console.print(_table(found))
    else:
        console.print(f"[green]ok[/]  {nothing}", highlight=False)
    raise typer.Exit(1 if found else 0)


def _table(found: Sequence[Finding]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("file", "kind", "name", "check", "what"):
        table.add_column(column, overflow="fold")
    for finding in found:
        check = " ".join(filter(None, (finding.tool, finding.where)))
        # As Text, because messages have brackets of their own, which rich would take for its markup.
        table.add_row(*map(Text, (finding.file, finding.kind, finding.name, check, finding.what)))
    return table
