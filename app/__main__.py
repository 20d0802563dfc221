"""`python -m app <command>`: one image, several commands. Each imports only what it runs."""

from __future__ import annotations

import sys
from typing import Annotated, Literal
from uuid import UUID

import typer

from app import contract
from app.errors import MillraceError
from app.resolver import remember_addresses

app = typer.Typer(
    name="millrace", help="Millrace: accept, queue, execute once.", no_args_is_help=True, pretty_exceptions_enable=False
)


@app.command()
def gateway() -> None:
    """Serve the HTTP API over TLS."""
    from app.gateway.server import serve  # noqa: PLC0415

    serve()


@app.command()
def relay() -> None:
    """Take messages from the outbox to the broker."""
    from app.relay.main import run  # noqa: PLC0415

    run()


@app.command()
def worker(
    queue: Annotated[str | None, typer.Option(help="The queue to work on; default MILLRACE_WORKER_QUEUE.")] = None,
) -> None:
    """Execute the tasks of one queue."""
    import os  # noqa: PLC0415

    if queue is not None:
        os.environ["MILLRACE_WORKER_QUEUE"] = queue  # before the settings are read, and for the children
    from app.worker.main import run  # noqa: PLC0415

    run()


@app.command()
def archiver() -> None:
    """Take dead letters from the broker into PostgreSQL."""
    from app.deadletters.archiver import run  # noqa: PLC0415

    run()


@app.command()
def beat() -> None:
    """Send the tasks that have a schedule."""
    from app.beat.main import run  # noqa: PLC0415

    run()


@app.command()
def topology() -> None:
    """Declare exchanges and queues; run it before anything else, as often as you like.

    It ends with an error when a queue that is not declared any more holds messages.
    """
    from app.brokers.chosen import announce, broker  # noqa: PLC0415
    from app.settings import load  # noqa: PLC0415
    from app.telemetry import logging  # noqa: PLC0415

    logging.configure("topology")
    announce()
    broker().declare(load())


@app.command()
def logins(server: Annotated[Literal["postgresql", "rabbitmq"], typer.Argument(help="Which server.")]) -> None:
    """Create our logins on a managed server (RDS, Amazon MQ), as its administrator. It may run again."""
    from app.logins import import_definitions, make_roles  # noqa: PLC0415
    from app.settings import load  # noqa: PLC0415
    from app.telemetry import logging  # noqa: PLC0415

    logging.configure("logins")
    (make_roles if server == "postgresql" else import_definitions)(load())


@app.command()
def migrate() -> None:
    """Bring the schema of PostgreSQL to the newest version."""
    from app.kinds import registry  # noqa: PLC0415
    from app.settings import load  # noqa: PLC0415
    from app.storage.migrate import migrate as run  # noqa: PLC0415
    from app.telemetry import logging  # noqa: PLC0415

    logging.configure("migrate")
    registry.import_tasks(load())
    run({name: declaration.schema for name, declaration in registry.declarations().items() if declaration.schema})


@app.command()
def wait(
    migrations: Annotated[bool, typer.Option("--migrations", help="For the schema that this image needs.")] = False,
    topology: Annotated[bool, typer.Option("--topology", help="For the exchanges and queues of this role.")] = False,
    timeout_seconds: Annotated[float, typer.Option(min=0, help="Then give up, with exit code 2.")] = 300,
) -> None:
    """Wait for what other commands prepare; for init containers."""
    from app.telemetry import logging  # noqa: PLC0415
    from app.wait import wait as run  # noqa: PLC0415

    logging.configure("wait")
    run(migrations=migrations, topology=topology, timeout_seconds=timeout_seconds)


@app.command()
def retention(
    every_hours: Annotated[float, typer.Option(min=0, help="Run again and again; 0: once.")] = 0,
) -> None:
    """Make the next days' partitions and drop what is past its time."""
    from app.retention import run  # noqa: PLC0415

    run(every_hours=every_hours)


@app.command()
def reconcile(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is missing; change nothing.")] = False,
    older_than_seconds: Annotated[float, typer.Option(min=0, help="Look only at jobs that are older.")] = 60,
    busy_older_than_hours: Annotated[
        float, typer.Option(min=0, help="For a queue that is not empty, put back only older jobs.")
    ] = 24,
    actor: Annotated[str | None, typer.Option(help="Who does it, for the audit; as for `dead-letters`.")] = None,
) -> None:
    """Put back the messages of accepted jobs that vanished from the broker; prints a line of JSON."""
    from app.audit import actor_of  # noqa: PLC0415
    from app.patterns.reconcile_command import run  # noqa: PLC0415
    from app.telemetry import logging  # noqa: PLC0415

    logging.configure("reconcile")
    run(
        dry_run=dry_run, older_than_seconds=older_than_seconds, busy_older_than_hours=busy_older_than_hours,
        by=actor_of(actor),
    )  # fmt: skip


@app.command()
def flower() -> None:
    """Show the workers in a browser, read-only."""
    from app.brokers.chosen import refuse  # noqa: PLC0415
    from app.brokers.flower import run  # noqa: PLC0415
    from app.brokers.interface import Feature  # noqa: PLC0415
    from app.telemetry import logging  # noqa: PLC0415

    logging.configure("flower")
    refuse(Feature.FLOWER)
    run()


@app.command()
def drill(
    fault: Annotated[Literal["raise", "eat-memory", "overrun", "die"], typer.Option(help="How it misbehaves.")],
    queue: Annotated[str | None, typer.Option(help="Which workers get it; the last queue's, if left out.")] = None,
) -> None:
    """Send a task that misbehaves until mended; prints its ids. Workers must have MILLRACE_DRILLS_ENABLED."""
    import json  # noqa: PLC0415
    from dataclasses import asdict  # noqa: PLC0415

    from app.drills.command import send  # noqa: PLC0415

    typer.echo(json.dumps(asdict(send(fault, queue or contract.queue_names()[-1]))))


@app.command()
def drill_mend(switch: UUID) -> None:
    """Take the fault of this switch out; needs the worker's role, because it writes the inbox."""
    from app.drills.command import mend  # noqa: PLC0415

    mend(switch)


def _add_groups() -> None:
    from app.beat.command import schedules  # noqa: PLC0415
    from app.brokers.queues_command import queues  # noqa: PLC0415
    from app.deadletters.command import dead_letters  # noqa: PLC0415
    from app.gateway.api_keys_command import api_keys  # noqa: PLC0415
    from app.kinds.pauses_command import pauses  # noqa: PLC0415

    app.add_typer(dead_letters, name="dead-letters")
    app.add_typer(api_keys, name="api-keys")
    app.add_typer(queues, name="queues")
    app.add_typer(pauses, name="pauses")
    app.add_typer(schedules, name="schedules")


def main() -> None:
    """Run a command; a failure of ours is one line that says what to do, and exit code 2."""
    if (
        any(
            name in sys.argv[1:2]
            for name in ("dead-letters", "api-keys", "queues", "pauses", "schedules", "--help", "-h")
        )
        or not sys.argv[1:]
    ):
        _add_groups()
    remember_addresses()
    try:
        app()
    except (MillraceError, contract.QueuesFileError) as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
