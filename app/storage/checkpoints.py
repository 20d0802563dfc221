"""How far tasks in steps have come. A checkpoint commits with its step, and is removed when the task ends."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

_BEGIN = text("INSERT INTO checkpoints (run_id, task_name) VALUES (:run_id, :task_name) ON CONFLICT DO NOTHING")
# A statement of its own: after a wait for another delivery it sees what that delivery has committed.
_LOCK = text("""
    SELECT slice, steps, state, EXISTS (SELECT FROM inbox WHERE dedupe_key = run_id) AS ended
    FROM checkpoints WHERE run_id = :run_id FOR UPDATE
""")
_KEEP = text("""
    UPDATE checkpoints SET slice = :slice, steps = steps + 1, state = :state, changed_at = now() WHERE run_id = :run_id
""")
_REMOVE = text("DELETE FROM checkpoints WHERE run_id = :run_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state of a task after its last step, and the number of the message that may do the next one."""

    slice: int
    steps: int
    #: JSON; None before the first step.
    state: str | None
    #: Whether the inbox says that the task has ended.
    ended: bool


def lock(connection: Connection, run_id: UUID, task_name: str) -> Checkpoint | None:
    """Lock the checkpoint until the transaction ends; make one if needed. None: another run removed it just now."""
    connection.execute(_BEGIN, {"run_id": run_id, "task_name": task_name})
    row = connection.execute(_LOCK, {"run_id": run_id}).mappings().one_or_none()
    return None if row is None else Checkpoint(**row)


def keep(connection: Connection, run_id: UUID, *, slice_: int, state: str) -> None:
    """Store the state after one more step."""
    connection.execute(_KEEP, {"run_id": run_id, "slice": slice_, "state": state})


def remove(connection: Connection, run_id: UUID) -> None:
    """Remove the checkpoint of a task that has ended."""
    connection.execute(_REMOVE, {"run_id": run_id})
