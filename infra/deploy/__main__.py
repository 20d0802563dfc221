"""`python -m infra.deploy`: up, preview, destroy, operate. Exit code 2: refused, and nothing was changed."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from infra.deploy import destroy as destroying, generated, operate as operating, pulumi_cli, up as deploying
from infra.deploy.cluster import Cluster
from infra.deploy.errors import DeployError, NothingChangedError
from infra.deploy.plan import Action, Step
from infra.deploy.progress import Progress, show
from infra.deploy.pulumi_cli import Engine
from infra.deploy.requests import connect
from infra.deploy.up import Wishes
from infra.render.manifests import RenderError
from infra.render.program import Program
from infra.settings.load import SettingsError

EXIT_FAILED, EXIT_REFUSED, EXIT_INTERRUPTED = 1, 2, 130

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
#: Programs read stdout; a person reads both.
console = Console(stderr=True, soft_wrap=True)

StackName = Annotated[str, typer.Argument(help="staging, prod: the name in Pulumi.<name>.yaml")]
StackFile = Annotated[Path | None, typer.Option(help="settings from another file")]
Context = Annotated[str | None, typer.Option(help="the kubeconfig's context; its current one, if left out")]
AsJson = Annotated[bool, typer.Option("--json", help="for programs: a summary on stdout")]
WhichEngine = Annotated[
    Engine, typer.Option(help="who deploys: Pulumi where it can, unless it was done directly before")
]
Force = Annotated[bool, typer.Option(help="take fields that others have changed")]
PruneProtected = Annotated[bool, typer.Option(help="prune also volumes, namespaces and what is protected")]
NewPasswords = Annotated[bool, typer.Option(help="generate passwords although earlier ones seem to be lost")]


@app.command()
def up(
    stack: StackName,
    *,
    context: Context = None,
    stack_file: StackFile = None,
    engine: WhichEngine = Engine.AUTO,
    dry_run: Annotated[bool, typer.Option(help="only say what would change, as `preview`")] = False,
    force: Force = False,
    wait: Annotated[bool, typer.Option(help="wait until each wave is ready")] = True,
    wait_seconds: Annotated[float, typer.Option(min=1, help="for each wave")] = 900,
    prune_protected: PruneProtected = False,
    new_passwords: NewPasswords = False,
    as_json: AsJson = False,
) -> None:
    """Deploy the stack, or bring it up to date."""
    program = Program.of(stack, stack_file)
    wishes = Wishes(
        force=force,
        wait=wait,
        wait_seconds=wait_seconds,
        prune_protected=prune_protected,
        new_passwords=new_passwords,
    )
    with connect(context) as api:
        cluster = Cluster(api)
        if _engine(engine, cluster, stack_file) is Engine.PULUMI:
            raise typer.Exit(pulumi_cli.run("preview" if dry_run else "up", stack, context))
        if dry_run:
            _preview(cluster, program, wishes, as_json=as_json)
            return
        with Progress(console, f"deploy {stack}") as progress:
            steps = deploying.up(cluster, program, wishes, progress)
    _summary(stack, steps, as_json=as_json)


@app.command()
def preview(
    stack: StackName,
    *,
    context: Context = None,
    stack_file: StackFile = None,
    engine: WhichEngine = Engine.AUTO,
    force: Force = False,
    prune_protected: PruneProtected = False,
    new_passwords: NewPasswords = False,
    as_json: AsJson = False,
) -> None:
    """Say what `up` would change, and change nothing."""
    up(
        stack,
        context=context,
        stack_file=stack_file,
        engine=engine,
        dry_run=True,
        force=force,
        prune_protected=prune_protected,
        new_passwords=new_passwords,
        as_json=as_json,
    )


@app.command()
def destroy(
    stack: StackName,
    *,
    context: Context = None,
    stack_file: StackFile = None,
    engine: WhichEngine = Engine.AUTO,
    purge: Annotated[bool, typer.Option(help="volumes, passwords and protected objects as well")] = False,
    yes_destroy_prod: Annotated[bool, typer.Option(help="needed for prod")] = False,
    seconds: Annotated[float, typer.Option(min=1, help="how long it may take")] = 300,
    as_json: AsJson = False,
) -> None:
    """Remove the stack. Volumes and passwords stay, unless purged."""
    program = Program.of(stack, stack_file)
    destroying.require_consent(program, prod_too=yes_destroy_prod)
    with connect(context) as api:
        cluster = Cluster(api)
        if _engine(engine, cluster, stack_file) is Engine.PULUMI:
            raise typer.Exit(pulumi_cli.run("destroy", stack, context))
        with Progress(console, f"destroy {stack}") as progress:
            removal = destroying.destroy(cluster, program, progress, seconds=seconds, purge=purge)
    for ref in removal.kept:
        console.print(f"  kept      {ref}", style="dim", markup=False, highlight=False)
    _summary(stack, removal.steps, as_json=as_json, kept=[str(ref) for ref in removal.kept])
    if removal.hanging:
        lines = [f"not gone after {seconds:.0f} s (the same command goes on from here):", *removal.hanging]
        raise DeployError("\n  ".join(lines))


@app.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
def operate(
    stack: StackName,
    words: Annotated[list[str], typer.Argument(help="a command, such as: dead-letters list")],
    *,
    context: Context = None,
) -> None:
    """Run a command of the app as the operator, in the cluster."""
    Program.of(stack)
    with connect(context) as api:
        raise typer.Exit(operating.operate(Cluster(api), words))


def _engine(wish: Engine, cluster: Cluster, stack_file: Path | None) -> Engine:
    found = pulumi_cli.chosen(wish, deployed_directly=generated.read(cluster) is not None)
    if found is Engine.PULUMI:
        if absent := pulumi_cli.missing():
            raise NothingChangedError(f"{', '.join(absent)} not found on PATH; install Pulumi, or say --engine direct")
        if stack_file is not None:
            raise NothingChangedError("Pulumi reads the stack's own file only; leave out --stack-file")
        return found
    return found


def _preview(cluster: Cluster, program: Program, wishes: Wishes, *, as_json: bool) -> None:
    foreseen = deploying.preview(cluster, program, wishes)
    for step in foreseen.steps:
        if step.action is not Action.UNCHANGED:
            show(console, step)
    if foreseen.new_passwords:
        console.print(f"  {len(foreseen.new_passwords)} passwords would be generated", style="dim", highlight=False)
    _summary(program.stack, foreseen.steps, as_json=as_json, dry_run=True)


def _summary(stack: str, steps: Iterable[Step], *, as_json: bool, **more: Any) -> None:
    done = list(steps)
    counts = Counter(str(step.action) for step in done)
    if as_json:
        objects = [
            {
                "object": str(step.ref),
                "action": str(step.action),
                "differences": [dataclasses.asdict(one) for one in step.differences],
            }
            for step in done
        ]
        typer.echo(json.dumps({"stack": stack, "counts": counts, "objects": objects, **more}, indent=1))
        return
    said = ", ".join(f"{number} {action}" for action, number in sorted(counts.items())) or "nothing to do"
    console.print(f"[green]ok[/]  {stack}: {said}", highlight=False)


def main() -> None:
    """Say what went wrong in its own words, without a traceback: that would show bodies of requests."""
    try:
        app()
    except (SettingsError, RenderError, NothingChangedError) as error:
        _complain(error, EXIT_REFUSED)
    except DeployError as error:
        _complain(error, EXIT_FAILED)
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on from here")
        sys.exit(EXIT_INTERRUPTED)


def _complain(error: Exception, code: int) -> None:
    console.print(str(error), style="red", markup=False, highlight=False)
    sys.exit(code)


if __name__ == "__main__":
    main()
