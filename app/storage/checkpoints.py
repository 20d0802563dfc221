"""How far tasks in steps have come. A checkpoint commits with its step, and is removed when the task ends."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

_BEGIN = text(
    "INSERT INTO checkpoints (run_id, task_name, job_id) VALUES (:run_id, :task_name, :job_id) ON CONFLICT DO NOTHING"
)
# A statement of its own: after a wait for the end of another delivery it sees what that one has committed.
_LOCK = text("""
    SELECT job_id, slice, steps, state, EXISTS (SELECT FROM inbox WHERE dedupe_key = run_id) AS ended
    FROM checkpoints WHERE run_id = :run_id FOR UPDATE
""")
_KEEP = text("""
    UPDATE checkpoints SET job_id = :job_id, slice = :slice, steps = steps + 1, state = :state, changed_at = now()
    WHERE run_id = :run_id
""")
_REMOVE = text("DELETE FROM checkpoints WHERE run_id = :run_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Where a task is: the message that it belongs to, by job and number, and the state after its last step."""

    job_id: UUID | None
    slice: int
    steps: int
    #: JSON; None before the first step.
    state: str | None
    #: Whether the inbox says that the task has ended.
    ended: bool


def lock(connection: Connection, run_id: UUID, task_name: str, job_id: UUID | None) -> Checkpoint | None:
    """The checkpoint, locked until the transaction ends; made if there is none. None: it was removed just now."""
    connection.execute(_BEGIN, {"run_id": run_id, "task_name": task_name, "job_id": job_id})
    row = connection.execute(_LOCK, {"run_id": run_id}).mappings().one_or_none()
    return None if row is None else Checkpoint(**row)


def keep(connection: Connection, run_id: UUID, *, job_id: UUID | None, slice_: int, state: str) -> None:
    """Move it on by a step."""
    connection.execute(_KEEP, {"run_id": run_id, "job_id": job_id, "slice": slice_, "state": state})


def remove(connection: Connection, run_id: UUID) -> None:
    """Remove the checkpoint of a task that has ended."""
    connection.execute(_REMOVE, {"run_id": run_id})
