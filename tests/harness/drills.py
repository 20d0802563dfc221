"""Tasks that misbehave until mended, and their dead letters."""

from __future__ import annotations

from typing import Any

from app.drills.tasks import Fault
from tests.harness import here
from tests.harness.stack import Stack
from tests.harness.waiting import PATIENCE_SECONDS, eventually

#: What the command `drill` puts into its event.
DRILL_USER = "drill"


class Drill:
    """One misbehaving task, as `python -m app drill` sends it."""

    def __init__(self, stack: Stack, fault: Fault, *, queue: str) -> None:
        """Send it."""
        sent = here.drill(stack, fault, queue)
        self._stack = stack
        self.task_id = sent.task_id
        self.event_id = sent.event_id
        self._switch = sent.switch

    def mend(self) -> None:
        """Take the fault out, as if a new image had been deployed."""
        here.mend(self._stack, self._switch)


def archived(stack: Stack, task_id: str) -> list[dict[str, Any]]:
    """The dead letters of a task."""
    columns = ("dead_letter_id", "state", "reason", "attempts", "exception_type", "queue")
    rows = stack.query(f"SELECT {', '.join(columns)} FROM dead_letters WHERE task_id = %s", task_id)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def wait_archived(stack: Stack, task_id: str, *, within: float = PATIENCE_SECONDS) -> dict[str, Any]:
    """Wait for the one dead letter of a task."""
    letters = eventually(lambda: archived(stack, task_id), within=within, what=f"{task_id} is archived")
    assert len(letters) == 1
    return letters[0]
