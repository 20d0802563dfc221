"""Tasks that misbehave on purpose, to drill what happens then; registered only where MILLRACE_DRILLS_ENABLED is set.

A drill misbehaves as long as its switch is on. The switch is a row of `inbox` under the drill's own key: absent while
the fault is in, present once `mend` was called, as if a new image had been deployed: then a replay can succeed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Literal
from uuid import UUID

from sqlalchemy import text

from app import contract
from app.brokers.celery_app import celery_app
from app.errors import EventRejectedError
from app.storage import effects
from app.storage.effects import UserEvent
from app.storage.engine import engine
from app.tasks.base import MillraceTask
from app.tasks.user_events import read_event

Fault = Literal["raise", "eat-memory", "overrun", "die"]

#: How much `eat-memory` takes at a time; the container's limit ends it.
_BITE_BYTES = 32 * 1024 * 1024


@celery_app.task(name=contract.TASK_DRILL, base=MillraceTask, bind=True)
def drill(self: MillraceTask, fault: Fault, switch: str, event: dict[str, object]) -> None:
    """Misbehave until mended; then store the event as `ingest_user_event` would."""
    if not _mended(UUID(switch)):
        _misbehave(fault)
    stored: UserEvent = read_event(event)
    with engine().begin() as connection:
        effects.store(connection, [stored], job_id=self.job_id, task_id=self.task_id, attempt=self.attempt)


def mend(switch: UUID) -> None:
    """Take the fault out."""
    with engine().begin() as connection:
        effects.first_time(connection, switch)


def _mended(switch: UUID) -> bool:
    with engine().connect() as connection:
        found = connection.execute(text("SELECT 1 FROM inbox WHERE dedupe_key = :key"), {"key": switch})
        return found.scalar() is not None


def _misbehave(fault: Fault) -> None:
    match fault:
        case "raise":
            raise EventRejectedError("a drill")
        case "eat-memory":
            eaten: list[bytes] = []
            while True:
                eaten.append(os.urandom(_BITE_BYTES))
        case "overrun":
            while True:  # deaf to the soft limit, so that only the hard one ends it
                with contextlib.suppress(Exception):
                    time.sleep(3600)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
