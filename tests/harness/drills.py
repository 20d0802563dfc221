"""Tasks that misbehave until mended, and their dead letters."""

from __future__ import annotations

import json
from typing import Any

from app.drills.command import SentDrill
from app.drills.tasks import Fault
from tests.harness import here
from tests.harness.stack import Stack
from tests.harness.waiting import PATIENCE_SECONDS, eventually

#: What the command `drill` puts into its event.
DRILL_USER = "drill"


class Drill:
    """One misbehaving task, sent and mended in this process or, `by_command`, as an operator does."""

    def __init__(self, stack: Stack, fault: Fault, *, queue: str, by_command: bool = False) -> None:
        """Send it."""
        self._stack = stack
        self._by_command = by_command
        if by_command:
            said = stack.operate("drill", "--fault", fault, "--queue", queue).splitlines()[-1]
            sent = SentDrill(**json.loads(said))
        else:
            sent = here.drill(stack, fault, queue)
        self.task_id, self.event_id, self._switch = sent.task_id, sent.event_id, sent.switch

    def mend(self) -> None:
        """Take the fault out, as if a new image had been deployed."""
        if self._by_command:
            self._stack.run("worker-external", "drill-mend", self._switch)
        else:
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
