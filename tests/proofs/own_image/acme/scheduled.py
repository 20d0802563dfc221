"""Tasks with a schedule, which leave each slot that they ran for in `tasks.slots`."""

from __future__ import annotations

from datetime import datetime

from celery import shared_task
from sqlalchemy import text

from app.kinds import Every, Transaction, once
from app.storage.engine import engine

_INSERT = "INSERT INTO tasks.slots VALUES (:task, :slot)"


@once(
    queue="bulk",
    schedule=Every(1, late_seconds=3600),
    schema="CREATE TABLE IF NOT EXISTS tasks.slots (task text NOT NULL, slot timestamptz NOT NULL)",
)
def counted(slot: datetime, tx: Transaction) -> None:
    """Every second; what an outage kept from its time comes later."""
    tx.execute(_INSERT, {"task": "counted", "slot": slot})


@shared_task(name="acme.ticks", schedule=Every(2, late_seconds=3600))  # type: ignore[call-overload, untyped-decorator]  # Millrace's option
def ticks(slot: datetime) -> None:
    """A plain task."""
    with engine().begin() as connection:
        connection.execute(text(_INSERT), {"task": "acme.ticks", "slot": slot})
