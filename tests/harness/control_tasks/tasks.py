"""A task that fails once, one with a schedule, and a long one with stop points."""

from __future__ import annotations

import time

from celery import current_task
from pydantic import BaseModel
from sqlalchemy import text

from app.kinds import Every, Transaction, at_least_once, once
from app.patterns.stop_points import stop_if_asked
from app.storage.engine import autocommit

_RAN = "INSERT INTO tasks.control_runs (task, run, attempt) VALUES (:task, :run, :attempt)"
_TICKED = "INSERT INTO tasks.control_runs (task, run, attempt) VALUES ('tick', :run, 1)"


class Run(BaseModel):
    """A run of a test."""

    run: str


def _attempt() -> int:
    return int(current_task.request.retries) + 1


@once(queue="interactive", key="run", http=True)
def fails_once(job: Run, tx: Transaction) -> None:
    """Fail at the first attempt."""
    if _attempt() == 1:
        raise RuntimeError("the first attempt fails")
    tx.execute(_RAN, {"task": "fails_once", "run": job.run, "attempt": _attempt()})


@once(queue="interactive", schedule=Every(2))
def tick(tx: Transaction) -> None:
    """Write a row for each slot."""
    tx.execute(_TICKED, {"run": str(tx.task_id)})


@at_least_once(queue="interactive", http=True)
def looks_often(job: Run) -> None:
    """Run until it is stopped, or until its second run."""
    with autocommit().connect() as connection:
        connection.execute(text(_RAN), {"task": "looks_often", "run": job.run, "attempt": _attempt()})
        runs = connection.execute(text("SELECT count(*) FROM tasks.control_runs WHERE run = :run"), {"run": job.run})
        if runs.scalar_one() > 1:
            return
    while True:
        stop_if_asked()
        time.sleep(0.05)
