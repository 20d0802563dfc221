"""`python -m app queues list | remove`: the declared queues, and those that are left of earlier declarations."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app import contract
from app.brokers import leftovers
from app.brokers.celery_app import celery_app
from app.brokers.chosen import refuse
from app.brokers.interface import Feature
from app.settings import load

queues = typer.Typer(help="The declared queues, and what is left of earlier ones.", no_args_is_help=True)


@queues.command("list")
def list_queues() -> None:
    """List them in their order of service; what is left over comes last."""
    refuse(Feature.LEFTOVER_QUEUES)
    table = Table("queue", "what it is for")
    for queue in contract.queues():
        table.add_row(queue.name, escape(queue.purpose))
    for leftover in leftovers.find(load()):
        table.add_row(
            leftover.name, f"not declared any more: {leftover.messages} messages, {leftover.dead_letters} dead"
        )
    Console().print(table)


@queues.command()
def remove(name: Annotated[str, typer.Argument(help="A queue that is not declared any more.")]) -> None:
    """Delete a queue that is not declared any more, with its dead-letter queue; refused while it holds messages."""
    refuse(Feature.LEFTOVER_QUEUES)
    with celery_app.connection_for_write() as connection:
        leftovers.remove(connection, load(), name)
    typer.echo(f"{name} is removed")
