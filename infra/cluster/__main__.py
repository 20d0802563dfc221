"""`python -m infra.cluster operate WORDS...`: a command of the app, run in the cluster as the operator."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from infra.cluster.cluster import Cluster
from infra.cluster.errors import ClusterError, NothingChangedError
from infra.cluster.operate import operate as run
from infra.cluster.requests import connect
from infra.render.program import REPOSITORY
from infra.settings.context import WrongContextError, context_of
from infra.settings.load import SettingsError, read_stack_file, stack_file

EXIT_FAILED, EXIT_REFUSED = 1, 2

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(stderr=True, soft_wrap=True)


@app.callback()
def cluster() -> None:
    """Commands for a stack that runs."""


@app.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
def operate(
    words: Annotated[list[str], typer.Argument(help="a command, such as: dead-letters list")],
    *,
    context: Annotated[
        str | None, typer.Option(help="the kubeconfig's context; left out: the stack's own, else the current one")
    ] = None,
    stack: Annotated[str | None, typer.Option(help="the stack that is meant: its settings name its cluster")] = None,
) -> None:
    """Run a command of the app as the operator."""
    with connect(_context(stack, context)) as api:
        raise typer.Exit(run(Cluster(api), words))


def _context(stack: str | None, named: str | None) -> str | None:
    """The kubeconfig's context to use. At night the current one may be another cluster than that of the incident."""
    if stack is None:
        return named
    try:
        return context_of(read_stack_file(stack_file(stack, REPOSITORY)), named)
    except (SettingsError, WrongContextError) as error:
        raise NothingChangedError(str(error)) from error


def main() -> None:
    """Say what went wrong in its own words, without a traceback: that would show bodies of requests."""
    try:
        app()
    except ClusterError as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        sys.exit(EXIT_REFUSED if isinstance(error, NothingChangedError) else EXIT_FAILED)


if __name__ == "__main__":
    main()
