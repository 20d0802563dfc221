"""`python -m infra.local`: images, push, up, down, status, logs, operate, compose, secrets."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.contract import QueuesFileError
from infra.local import brokers, images as images_, push as pushing, secrets as secrets_, settings_files, stack
from infra.local.api_keys import gateway_url
from infra.local.compose import Compose, ComposeError
from infra.local.images import ImageError
from infra.local.progress import Steps
from infra.local.ready import NotReadyError
from infra.local.registry import RegistryError
from infra.local.stack import StackError
from infra.local.state import REPOSITORY, State
from infra.local.urls import urls
from infra.servers.rabbitmq.cluster import VERSIONS
from infra.settings import load

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help=__doc__,
)
console = Console(soft_wrap=True)

FAILURES = (
    ComposeError,
    ImageError,
    NotReadyError,
    QueuesFileError,
    RegistryError,
    load.SettingsError,
    StackError,
    brokers.UnknownBrokerError,
)


@app.command()
def images(
    *,
    all_versions: Annotated[bool, typer.Option(help="both RabbitMQ versions, as the tests need")] = False,
    fresh: Annotated[
        bool,
        typer.Option(help="build again from nothing, for updates of the base system"),
    ] = False,
    broker: Annotated[str, typer.Option(help="its image, too; those of rabbitmq always")] = brokers.RABBITMQ.name,
    for_pods: Annotated[bool, typer.Option(help="for a registry: with the user that pods run as, not yours")] = False,
) -> None:
    """Build the images that are missing."""
    state = State.default()
    versions = VERSIONS if all_versions else (stack.rabbitmq_version(),)
    with stack.locked(state), Steps(state, console) as steps:
        more = (found,) if (found := brokers.find(broker).image) is not None else ()
        wanted = tuple(replace(image, for_pods=for_pods) for image in (*images_.all_images(versions), *more))
        stack.build_images(state, steps, wanted, fresh=fresh)


@app.command()
def push(
    name: Annotated[str, typer.Argument(metavar="STACK", help="staging, prod: the name in Pulumi.<name>.yaml")],
    registry: Annotated[str | None, typer.Option(help="host/path; left out: the one in the stack file")] = None,
    stack_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="its settings, if they are elsewhere")
    ] = None,
    *,
    fresh: Annotated[bool, typer.Option(help="build all from nothing, for updates of the base system")] = False,
) -> None:
    """Give a registry the stack's images, and write their versions and digests into the stack file."""
    state = State.default()
    file = stack_file or load.stack_file(name, REPOSITORY)
    with stack.locked(state), Steps(state, console) as steps:
        done = pushing.push(file, registry, state, steps, fresh=fresh)
    pushed = f"pushed {len(done.references)} images" if done.references else "the registry has all of its images"
    written = "names them now" if done.file_changed else "names them already"
    console.print(f"{pushed}; {file.name} {written}", markup=False, highlight=False)


@app.command()
def secrets() -> None:
    """Make the secrets and server settings that are missing, and start nothing (tests use them)."""
    state = State.default()
    with stack.locked(state):
        secrets_.write_secrets(state)
        settings_files.write_settings(state, stack.rabbitmq_version())
    console.print(f"secrets are in {state.secrets}")


@app.command()
def up(
    broker: Annotated[str, typer.Option(help="rabbitmq, redis, or sqs: an emulator of it")] = brokers.RABBITMQ.name,
) -> None:
    """Build, start and wait until everything works."""
    state = State.default()
    with stack.locked(state), Steps(state, console) as steps:
        stack.up(state, steps, broker)
    status()
    where(state)


@app.command()
def down(*, purge: Annotated[bool, typer.Option(help="remove the data as well")] = False) -> None:
    """Stop and remove the containers."""
    state = State.default()
    with stack.locked(state), Steps(state, console) as steps:
        stack.down(state, steps, purge=purge)


@app.command()
def status() -> None:
    """Show every container."""
    table = Table(box=None, pad_edge=False)
    for column in ("service", "state", "health"):
        table.add_column(column)
    containers = Compose(State.default()).containers()
    for container in containers:
        ended = container.state == "exited"
        state = f"ended with {container.exit_code}" if ended else container.state
        good = container.state == "running" or (ended and container.exit_code == 0)
        table.add_row(
            container.service,
            f"[{'green' if good else 'red'}]{state}[/]",
            container.status,
        )
    console.print(table if containers else "nothing runs; `make up` starts it")


@app.command()
def logs(
    services: Annotated[list[str] | None, typer.Argument(help="all, if none is named")] = None,
    tail: Annotated[int, typer.Option(help="lines of each")] = 100,
    *,
    follow: Annotated[bool, typer.Option(help="go on until interrupted")] = True,
) -> None:
    """Show what the containers say."""
    options = ["--follow"] if follow else []
    raise typer.Exit(Compose(State.default()).follow("logs", f"--tail={tail}", *options, *(services or [])))


@app.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
def operate(words: Annotated[list[str], typer.Argument(help="a command, such as: dead-letters list")]) -> None:
    """Run a command of the app as the role `operator`."""
    # Without a terminal (a script, a pipe) Docker must not be asked for one.
    terminal = () if sys.stdin.isatty() and sys.stdout.isatty() else ("-T",)
    raise typer.Exit(Compose(State.default()).follow("run", "--rm", "--no-deps", *terminal, "operator", *words))


@app.command("compose", context_settings={"ignore_unknown_options": True, "help_option_names": []})
def compose_(
    words: Annotated[list[str], typer.Argument(help="such as: exec -T rabbitmq-1 rabbitmqctl version")],
) -> None:
    """Run a command of Docker Compose on the stack, whatever its containers are called."""
    raise typer.Exit(Compose(State.default()).follow(*words))


def where(state: State) -> None:
    """Where everything is, and where its password lies. Plain lines: a table would cut the paths off."""
    for url in urls(state, gateway_url()):
        console.print(f"{url.name:<11}{url.address}", highlight=False)
        console.print(f"[dim]           {url.user}, with what is in {url.secret}[/]", highlight=False)
    console.print(
        f"[dim]Their certificates are of this checkout's own CA: {state.secrets / 'client' / 'ca.crt'}[/]",
        highlight=False,
    )


def main() -> None:
    """Say what went wrong in its own words, without a traceback."""
    try:
        app()
    except FAILURES as error:
        Console(stderr=True, soft_wrap=True).print(f"[red]{type(error).__name__}[/]: ", end="")
        Console(stderr=True, soft_wrap=True).print(str(error), markup=False, highlight=False)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; the same command goes on from here")
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
