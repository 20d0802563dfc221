"""`python -m infra.toolchain [NAME...]`: build these programs (or all) if they are missing, and say where they are."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from infra.local import files
from infra.local.progress import Steps
from infra.local.state import State
from infra.toolchain import ToolError, go_tool, tools

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(stderr=True, soft_wrap=True)


@app.command()
def build(
    names: Annotated[
        list[str] | None, typer.Argument(help="as in infra/toolchain/tools.py; all, if none is given")
    ] = None,
) -> None:
    """Build what is missing."""
    state = State.default()
    files.folder(state.root, files.PUBLIC_FOLDER)
    with Steps(state, console) as steps:
        for name in names or [tool.name for tool in tools.TOOLS]:
            typer.echo(go_tool(name, steps))


def main() -> None:
    """Say what went wrong in its own words, without a traceback."""
    try:
        app()
    except ToolError as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
