"""A task that leaks, and one that uses a processor until its neighbours have ended."""

from __future__ import annotations

import os
import resource

from pydantic import BaseModel
from sqlalchemy import text

from app.kinds import Transaction, once
from app.storage.engine import autocommit

_LEAKED: list[bytes] = []
_DONE = text("SELECT count(*) FROM tasks.leaks WHERE leak_id LIKE :prefix")
_BEGUN = text("INSERT INTO tasks.heavy_begun VALUES (:heavy_id)")


class Leak(BaseModel):
    """How much a run leaks."""

    leak_id: str
    mib: int


class Heavy(BaseModel):
    """Names the neighbours that the task outlasts."""

    heavy_id: str
    neighbours: int


@once(queue="external", key="leak_id", max_retries=0)
def leak(job: Leak, tx: Transaction) -> None:
    """Keep memory for ever, and write down who did so and its peak memory."""
    _LEAKED.append(os.urandom(job.mib * 1024 * 1024))
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tx.execute(
        "INSERT INTO tasks.leaks VALUES (:leak_id, :pid, :peak_kib)",
        {"leak_id": job.leak_id, "pid": os.getpid(), "peak_kib": peak_kib},
    )


@once(queue="external", key="heavy_id", max_retries=0)
def heavy(job: Heavy, tx: Transaction) -> None:
    """Compute until the neighbours are done; the time limit ends it if they never are."""
    with autocommit().connect() as connection:
        connection.execute(_BEGUN, {"heavy_id": job.heavy_id})
        while connection.execute(_DONE, {"prefix": f"{job.heavy_id}-%"}).scalar_one() < job.neighbours:
            sum(number * number for number in range(1_000_000))
    tx.execute("INSERT INTO tasks.heavy_done VALUES (:heavy_id)", {"heavy_id": job.heavy_id})
