"""The pauses in force, as this process read them within the last second. Tasks ask before they run and at each step."""

from __future__ import annotations

import time

from app import contract
from app.kinds.asking import asking
from app.settings import load
from app.storage import pauses
from app.storage.availability import is_away
from app.storage.pauses import Kind

#: Between two looks at PostgreSQL.
LOOK_SECONDS = 1.0


class _View:
    def __init__(self) -> None:
        self._look_at = 0.0
        self._in_force: frozenset[tuple[str, str]] = frozenset()

    def in_force(self) -> frozenset[tuple[str, str]]:
        """The pauses that the last look found, as (kind, name). While PostgreSQL is away they stay in force."""
        if time.monotonic() >= self._look_at:
            try:
                with asking() as connection:
                    self._in_force = pauses.in_force(connection)
            except Exception as error:
                if not is_away(error):
                    raise
            self._look_at = time.monotonic() + LOOK_SECONDS
        return self._in_force


_view = _View()


def is_paused(task_name: str) -> bool:
    """Whether this task or this worker's queue is paused. Canaries show that workers are alive, so they go on."""
    if task_name == contract.TASK_CANARY:
        return False
    in_force = _view.in_force()
    return (Kind.TASK, task_name) in in_force or (Kind.QUEUE, load().worker_queue) in in_force
