"""A task that misbehaves on purpose, to drill what happens then.

It misbehaves as long as its switch is on. The switch is a row of `inbox` under the drill's own key: absent while
the fault is in, present once `mend` was called, as if a new image had been deployed: then a replay can succeed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Literal
from uuid import UUID

from app import contract
from app.errors import DrillError
from app.kinds import Transaction, once
from app.storage import inbox
from app.storage.engine import engine
from app.tasks.user_events import Event, store

Fault = Literal["raise", "eat-memory", "overrun", "die"]

#: How much `eat-memory` takes at a time; the container's limit ends it.
_BITE_BYTES = 32 * 1024 * 1024


@once(name=contract.TASK_DRILL, key="event_id", max_retries=0)
def drill(fault: Fault, switch: str, event: Event, tx: Transaction) -> None:
    """Misbehave until mended; then store the event as `ingest_user_event` would."""
    mended = tx.execute("SELECT 1 FROM inbox WHERE dedupe_key = :key", {"key": UUID(switch)}).scalar()
    if mended is None:
        _misbehave(fault)
    store([event], tx)


def mend(switch: UUID) -> None:
    """Take the fault out."""
    with engine().begin() as connection:
        inbox.remember(connection, {switch: None})


def _misbehave(fault: Fault) -> None:
    match fault:
        case "raise":
            raise DrillError
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
