"""`python -m app drill` sends a task that misbehaves on purpose; `python -m app drill-mend` takes the fault out.

Only workers with MILLRACE_DRILLS_ENABLED know the task; for others it is an unknown one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from app.brokers.transactional import in_transaction
from app.drills import tasks
from app.storage.engine import engine
from app.tasks.user_events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class SentDrill:
    """What a test needs to find the drill again."""

    task_id: str
    switch: str
    event_id: str
    queue: str
    fault: str


def send(fault: tasks.Fault, queue: str) -> SentDrill:
    """Write a drill to the outbox, with an event of its own that is stored once the fault is out."""
    switch, event_id = str(uuid4()), str(uuid4())
    event = Event(
        event_id=event_id,
        type="drill",
        occurred_at=datetime.now(UTC).isoformat(),
        payload=json.dumps({"user_id": "drill", "amount": 1}),
    )
    with engine().begin() as connection, in_transaction(connection):
        result = tasks.drill.apply_async((fault, switch, event), queue=queue)
    return SentDrill(task_id=str(result.id), switch=switch, event_id=event_id, queue=queue, fault=fault)


def mend(switch: UUID) -> None:
    """Take the fault of this switch out. Writes the inbox, so it needs the worker's role."""
    tasks.mend(switch)
