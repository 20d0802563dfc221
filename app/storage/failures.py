"""The record of failed attempts: what a rejected message itself cannot carry (basic.reject takes no reason)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.engine import Connection

from app.storage.identifiers import new_id
from app.storage.tables import task_failures

#: Longer messages and tracebacks are cut: a failure that carries its payload must not fill the table.
_MESSAGE_CHARACTERS = 2_000
_TRACEBACK_CHARACTERS = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFailure:
    """One attempt that failed. `reason` is a word for filters: failed, time_limit, worker_lost or undecodable."""

    task_id: UUID
    task_name: str
    queue: str
    attempt: int
    reason: str
    exception_type: str
    exception_message: str
    worker: str
    version: str
    traceback: str = ""
    job_id: UUID | None = None


def record(connection: Connection, failures: list[TaskFailure]) -> None:
    """Append failures in the caller's transaction."""
    if not failures:
        return
    connection.execute(
        insert(task_failures),
        [
            {
                "failure_id": new_id(),
                "task_id": failure.task_id,
                "task_name": failure.task_name,
                "job_id": failure.job_id,
                "queue": failure.queue,
                "attempt": failure.attempt,
                "reason": failure.reason,
                "exception_type": failure.exception_type,
                "exception_message": storable(failure.exception_message)[:_MESSAGE_CHARACTERS],
                "traceback": storable(failure.traceback)[-_TRACEBACK_CHARACTERS:],
                "worker": failure.worker,
                "version": failure.version,
            }
            for failure in failures
        ],
    )


def storable(value: str) -> str:
    """PostgreSQL's text knows no NUL, and UTF-8 no lone surrogate."""
    return value.replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode()
