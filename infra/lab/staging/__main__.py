"""`python -m infra.lab.staging`: staging in a cluster by `pulumi up`, ready for use; what others need of a stack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from infra.cluster.errors import ClusterError
from infra.lab.devcluster.waiting import DevclusterError
from infra.lab.staging import connect as connecting, up as bringing_up, where
from infra.lab.staging.engine import Engine
from infra.lab.staging.errors import StagingError
from infra.lab.staging.folder import Folder
from infra.lab.staging.place import Place
from infra.lab.staging.run import EngineError
from infra.lab.toolchain import ToolError
from infra.local import stack
from infra.local.images import ImageError
from infra.local.stack import StackError
from infra.local.state import State
from infra.render.manifests import RenderError
from infra.render.program import Program
from infra.settings.load import SettingsError

EXIT_FAILED, EXIT_CHANGES, EXIT_INTERRUPTED = 1, 3, 130
FAILURES = (
    StagingError,
    ClusterError,
    DevclusterError,
    EngineError,
    ImageError,
    RenderError,
    SettingsError,
    StackError,
    ToolError,
)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(soft_wrap=True)


Context = Annotated[
    str | None,
    typer.Option(envvar="MILLRACE_CONTEXT", help="a context of the kubeconfig; left out: a cluster on this machine"),
]


@app.command()
def up(context: Context = None) -> None:
    """Bring staging up by `pulumi up`, or up to date, and wait until it can be used."""
    state = State.default()
    with stack.locked(state):
        found = bringing_up.up(Place(context), state, console)
    for line in where.lines(found):
        console.print(line, markup=False, highlight=False)


@app.command()
def preview(context: Context = None) -> None:
    """Say what `up` would change; exit code 3 if there is anything."""
    if _engine(context).preview(_said).changed:
        raise typer.Exit(EXIT_CHANGES)


@app.command()
def refresh(context: Context = None) -> None:
    """Take what the cluster holds into Pulumi's state; exit code 3 if that changed anything."""
    if _engine(context).refresh(_said).changed:
        raise typer.Exit(EXIT_CHANGES)


@app.command()
def destroy(context: Context = None) -> None:
    """Remove staging with its volumes and passwords."""
    with stack.locked(State.default()):
        _engine(context).destroy(_said)


@app.command()
def connect(
    name: Annotated[str, typer.Argument(metavar="STACK", help="staging, prod: the name in Pulumi.<name>.yaml")],
    context: Context = None,
    file: Annotated[Path | None, typer.Option(help="its settings, if they are elsewhere")] = None,
) -> None:
    """Write what load tests, drills and tests need of a stack that runs, whoever deployed it."""
    state = State.default()
    found = connecting.settings_of(name, file, context, Folder.of(state))
    place = Place.of(context, Program.of(name, found).settings.cluster.context)
    for line in where.lines(connecting.connect(place, found, state, console)):
        console.print(line, markup=False, highlight=False)


def _engine(context: str | None) -> Engine:
    folder = Folder.of(State.default())
    file = folder.root / "Pulumi.staging.yaml"
    if not file.is_file():
        raise StagingError(f"{file} is not there: `make staging` deploys first")
    return bringing_up.engine(Place(context), folder, file)


def _said(line: str) -> None:
    console.print(line, markup=False, highlight=False)


def main() -> None:
    """Say what went wrong in its own words, without a traceback: that would show bodies of requests."""
    try:
        app()
    except FAILURES as error:
        Console(stderr=True, soft_wrap=True).print(str(error), style="red", markup=False, highlight=False)
        raise SystemExit(EXIT_FAILED) from None
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; the same command goes on from here")
        raise SystemExit(EXIT_INTERRUPTED) from None


if __name__ == "__main__":
    main()
