"""`python -m infra.checks manifests DIR`: are these manifests good?"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from infra.checks import checkov, kubeconform
from infra.checks.finding import CheckError, Finding
from infra.checks.report import show
from infra.lab.toolchain import ToolError
from infra.local import files
from infra.local.progress import Steps
from infra.local.state import State

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


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
    show(found, "kubeconform and checkov find nothing", as_json=as_json)


def check(folder: Path, steps: Steps | None = None) -> tuple[Finding, ...]:
    """The findings of both, which run side by side."""
    with ThreadPoolExecutor() as pool:
        runs = (pool.submit(kubeconform.validate, folder, steps), pool.submit(checkov.scan, folder, steps))
        return tuple(sorted(finding for run in runs for finding in run.result()))


def main() -> None:
    """Say what went wrong in its own words, without a traceback."""
    try:
        app()
    except (CheckError, ToolError) as error:
        Console(stderr=True, soft_wrap=True).print(str(error), style="red", markup=False, highlight=False)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
