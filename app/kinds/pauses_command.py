"""`python -m app pauses list | pause | resume`: stops a queue or a task over the whole fleet, and lets it go on."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app import contract
from app.audit import Actor, actor_of
from app.brokers.celery_app import celery_app
from app.errors import PauseError
from app.kinds import registry
from app.settings import load
from app.storage import pauses as storage
from app.storage.engine import engine
from app.storage.pauses import COUNTED_MAX, Kind

pauses = typer.Typer(help="Queues and tasks that are paused.", no_args_is_help=True)

Queue = Annotated[str | None, typer.Option(help="A queue, as `queues list` names it.")]
Task = Annotated[str | None, typer.Option(help="A task, by its name.")]


@pauses.command("list")
def list_pauses(
    past: Annotated[bool, typer.Option("--past", help="Also those that are over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON a pause.")] = False,
) -> None:
    """List the pauses: what, since when, by whom, why, and how many messages wait for the resume."""
    with engine().connect() as connection:
        found = storage.listed(connection, past=past)
    if as_json:
        for pause in found:
            typer.echo(json.dumps(asdict(pause), default=str))
        return
    table = Table("kind", "name", "since", "by", "why", "messages held", "resumed")
    for pause in found:
        table.add_row(
            pause.kind.value, escape(pause.name), f"{pause.paused_at:%Y-%m-%d %H:%M:%S}", escape(pause.paused_by),
            escape(pause.note), f"{pause.held}{' or more' if pause.held == COUNTED_MAX else ''}",
            f"{pause.resumed_at:%Y-%m-%d %H:%M:%S} by {escape(str(pause.resumed_by))}" if pause.resumed_at else "",
        )  # fmt: skip
    Console().print(table)


@pauses.command()
def pause(
    note: Annotated[str, typer.Option(help="Why; others see it in the list.")],
    queue: Queue = None,
    task: Task = None,
    actor: Actor = None,
) -> None:
    """Pause a queue or a task. Its messages wait in PostgreSQL until the resume."""
    kind, name = _named(queue, task)
    if not note.strip():
        raise PauseError("(--note must say why)")
    _check(kind, name)
    with engine().begin() as connection:
        if not storage.begin(connection, kind, name, by=actor_of(actor), note=note):
            raise PauseError(f"(the {kind} {name} is paused already; `pauses list` shows since when and why)")
    typer.echo(f"the {kind} {name} is paused")


@pauses.command()
def resume(queue: Queue = None, task: Task = None, actor: Actor = None) -> None:
    """End a pause. Relays put back the messages that waited for this, the oldest first."""
    kind, name = _named(queue, task)
    with engine().begin() as connection:
        if not storage.end(connection, kind, name, by=actor_of(actor)):
            raise PauseError(f"(the {kind} {name} is not paused)")
    typer.echo(f"the {kind} {name} goes on")


def _named(queue: str | None, task: str | None) -> tuple[Kind, str]:
    if (queue is None) == (task is None):
        raise PauseError("(name either --queue or --task)")
    return (Kind.QUEUE, queue) if queue is not None else (Kind.TASK, str(task))


def _check(kind: Kind, name: str) -> None:
    """Refuse queues and tasks that do not exist, or that cannot be paused."""
    if kind is Kind.QUEUE:
        ours = [one.name for one in contract.queues() if not one.foreign]
        if name not in ours:
            raise PauseError(f"(no queue of ours is called {name!r}; there are {', '.join(ours)})")
        return
    registry.import_tasks(load())
    if name == contract.TASK_CANARY or name not in celery_app.tasks or name.startswith("celery."):
        raise PauseError(f"(no task that can be paused is called {name!r}; it may be a typo)")
