"""`python -m infra.lab.toolchain [NAME...]`: build these programs (or all) if they are missing; say where they are."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from infra.lab.toolchain import ToolError, go_tool, tools
from infra.local import files
from infra.local.progress import Steps
from infra.local.state import State

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(stderr=True, soft_wrap=True)
_LOWEST_PRIORITY = 19


@app.command()
def build(
    names: Annotated[
        list[str] | None, typer.Argument(help="as in infra/lab/toolchain/tools.py; all, if none is given")
    ] = None,
    *,
    in_background: Annotated[bool, typer.Option(help="leave the processors to others; start it with setsid")] = False,
) -> None:
    """Build what is missing."""
    if in_background:
        _yield_processors()
    state = State.default()
    files.folder(state.root, files.PUBLIC_FOLDER)
    with Steps(state, console) as steps:
        for name in names or [tool.name for tool in tools.TOOLS]:
            typer.echo(go_tool(name, steps))


def _yield_processors() -> None:
    """The lowest priority, for this process and what it starts.

    Linux schedules sessions against each other first (sched(7), autogroup), and niceness counts only inside one: with
    `setsid nice` alone these builds took half of the processors from all containers together.
    """
    os.nice(_LOWEST_PRIORITY)
    # In a session of somebody else's it would slow down whatever runs there, a terminal's shell for one.
    if os.getsid(0) == os.getpid():
        # Some kernels have no autogroups.
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(f"{_LOWEST_PRIORITY}\n")


def main() -> None:
    """Say what went wrong in its own words, without a traceback."""
    try:
        app()
    except ToolError as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
