"""Slow steps. Each writes a row at its beginning, outside its transaction, and a row that commits with it."""

from __future__ import annotations

import time

from celery import current_task
from pydantic import BaseModel
from sqlalchemy import text

from app.kinds import Transaction
from app.patterns.steps import in_steps
from app.storage.engine import autocommit

#: A test lets steps from this one on wait until it has done what must come in the middle.
_HELD = "SELECT 1 FROM tasks.steps_held WHERE run = :run AND since <= :step"
_BEGUN = text("INSERT INTO tasks.steps_begun VALUES (:run, :step, :redelivered)")


class Run(BaseModel):
    """The number of steps, and the seconds that each takes."""

    run: str
    steps: int
    seconds: float


class Position(BaseModel):
    """The next step."""

    step: int = 0


def _step(job: Run, position: Position, tx: Transaction) -> Position | None:
    delivered = current_task.request.delivery_info
    assert delivered is not None
    redelivered = bool(delivered.get("redelivered"))
    with autocommit().connect() as connection:
        connection.execute(_BEGUN, {"run": job.run, "step": position.step, "redelivered": redelivered})
    while tx.execute(_HELD, {"run": job.run, "step": position.step}).first():
        time.sleep(0.05)
    tx.execute("INSERT INTO tasks.steps_done VALUES (:run, :step)", {"run": job.run, "step": position.step})
    tx.execute("SELECT pg_sleep(:seconds)", {"seconds": job.seconds})
    return Position(step=position.step + 1) if position.step + 1 < job.steps else None


@in_steps(slice_seconds=2, queue="interactive", key="run")
def slow_steps(job: Run, position: Position, tx: Transaction) -> Position | None:
    """Go on as a new message every two seconds."""
    return _step(job, position, tx)


@in_steps(slice_seconds=60, queue="interactive", key="run")
def one_long_slice(job: Run, position: Position, tx: Transaction) -> Position | None:
    """Keep a message longer than the test's consumer timeout, as a task that is not cut into slices does."""
    return _step(job, position, tx)
