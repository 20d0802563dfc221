"""`python -m infra.policy.command DIR`: asks the rules about a folder of rendered manifests."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from infra.policy.folder import FolderError, load
from infra.policy.model import Context, Enforcement, Violation
from infra.policy.registry import RULES, check

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
#: Into a file or a log nothing is cut off.
console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 240)


class Environment(StrEnum):
    """What the manifests are for."""

    STAGING = "staging"
    PROD = "prod"


@app.command()
def command(
    folder: Annotated[Path, typer.Argument(help="of rendered manifests, files below it included")],
    *,
    environment: Annotated[Environment, typer.Option(help="prod is stricter")] = Environment.PROD,
    as_json: Annotated[bool, typer.Option("--json", help="for a program to read")] = False,
) -> None:
    """Check rendered manifests against the policy rules; exit code 1 if a mandatory one is broken, 2 if unreadable."""
    try:
        manifests = load(folder)
    except FolderError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    violations = check(manifests, Context(environment.value))
    if as_json:
        typer.echo(json.dumps([asdict(violation) for violation in violations], indent=2, default=str))
    elif violations:
        console.print(table(violations))
    else:
        console.print(f"{len(manifests)} manifests keep all {len(RULES)} rules for {environment.value}")
    if any(violation.enforcement is Enforcement.MANDATORY for violation in violations):
        raise typer.Exit(1)


def table(violations: tuple[Violation, ...]) -> Table:
    """For people: where, what stands there, what to do, which rule."""
    view = Table(
        "resource", "where", "value", "what to do", "rule", title=f"{len(violations)} violations", show_lines=True
    )
    for found in violations:
        view.add_row(*(str(part) for part in (found.resource, found.path, found.value, found.advice, found.rule)))
    return view


if __name__ == "__main__":
    app()
