"""`python -m infra.render STACK OUT`: the stack as plain manifests, in the order in which they can be applied."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from infra.render import folder
from infra.render.folder import FolderError
from infra.render.manifests import RenderError
from infra.render.program import Program
from infra.render.text import text
from infra.settings.load import SettingsError

#: The settings or the arguments are refused, and nothing was changed.
EXIT_REFUSED = 2

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(soft_wrap=True)


@app.command()
def render(
    stack: Annotated[str, typer.Argument(help="staging, prod: the name in Pulumi.<name>.yaml")],
    out: Annotated[Path, typer.Argument(help="the folder; new, empty, or of an earlier render")],
    *,
    stack_file: Annotated[Path | None, typer.Option(help="settings from another file")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs: a summary")] = False,
) -> None:
    """Write one file a manifest. Secrets are named, and have no values."""
    program = Program.of(stack, stack_file)
    if aws := program.settings.aws:
        raise RenderError(
            f"{stack} has servers of AWS, and where they are says {aws.stack}, which a render does not ask; nothing "
            f"was written: `pulumi up -s {stack}` asks it (docs/aws.md)"
        )
    manifests = program.references()
    written = folder.write(out, {manifest.file_name: text(manifest, stack) for manifest in manifests})
    if as_json:
        summary = {"stack": stack, "folder": str(out), "files": written.files}
        typer.echo(json.dumps(summary | {"changed": written.changed, "removed": written.removed}, indent=1))
        return
    kinds = Counter(manifest.kind for manifest in manifests)
    console.print(", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())), highlight=False, style="dim")
    done = f"{len(written.changed)} written, {len(written.removed)} removed"
    console.print(f"[green]ok[/]  {len(manifests)} manifests of {stack} in {out} ({done})", highlight=False)


def main() -> None:
    """Say what is wrong in its own words, without a traceback."""
    try:
        app()
    except (SettingsError, FolderError, RenderError) as error:
        Console(stderr=True, soft_wrap=True).print(str(error), markup=False, highlight=False, style="red")
        raise SystemExit(EXIT_REFUSED) from None


if __name__ == "__main__":
    main()
