"""`python -m infra.staging up`: staging in a cluster, ready for use."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from infra.deploy.errors import DeployError
from infra.devcluster.waiting import DevclusterError
from infra.local import stack
from infra.local.images import ImageError
from infra.local.stack import StackError
from infra.local.state import State
from infra.render.manifests import RenderError
from infra.settings.load import SettingsError
from infra.staging import where
from infra.staging.errors import StagingError
from infra.staging.place import Place
from infra.staging.up import up as bring_up
from infra.toolchain import ToolError

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130
FAILURES = (StagingError, DeployError, DevclusterError, ImageError, RenderError, SettingsError, StackError, ToolError)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(soft_wrap=True)


@app.callback()
def staging() -> None:
    """Staging in a cluster, ready for use."""


@app.command()
def up(
    context: Annotated[
        str | None,
        typer.Option(
            envvar="MILLRACE_CONTEXT", help="a context of the kubeconfig; left out: a cluster on this machine"
        ),
    ] = None,
) -> None:
    """Bring staging up, or up to date, and wait until it can be used."""
    state = State.default()
    with stack.locked(state):
        found = bring_up(Place(context), state, console)
    for line in where.lines(found):
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
