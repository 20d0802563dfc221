"""`python -m app schedules list | reset`: shows operators which task is due when."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.errors import ScheduleNotFoundError
from app.kinds import registry
from app.settings import load
from app.storage import schedules as storage
from app.storage.engine import engine

schedules = typer.Typer(help="The tasks that have a schedule.", no_args_is_help=True)


@schedules.command("list")
def list_schedules(
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON a schedule.")] = False,
) -> None:
    """List them: when, to which queue, the last slot that beat has handled, and the next one."""
    registry.import_tasks(load())
    with engine().connect() as connection:
        last = storage.last_slots(connection)
    rows = [
        {
            "schedule": entry.name,
            "when": str(entry.schedule),
            "queue": entry.queue,
            "last": last[entry.name].isoformat() if entry.name in last else None,
            "next": next(entry.schedule.slots_after(last[entry.name])).isoformat() if entry.name in last else None,
        }
        for entry in registry.entries()
    ]
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row))
        return
    table = Table("schedule", "when", "queue", "last slot", "next slot")
    for row in rows:
        table.add_row(*(value or "beat has not seen it yet" for value in row.values()))
    Console().print(table)


@schedules.command()
def reset(name: Annotated[str, typer.Argument(help="As `schedules list` names it.")]) -> None:
    """Let a schedule begin again now, after PostgreSQL's clock was wrong. Slots before now are not sent."""
    with engine().begin() as connection:
        if not storage.forget(connection, name):
            raise ScheduleNotFoundError(f"({name!r})")
    typer.echo(f"{name} begins afresh")
