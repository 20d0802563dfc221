"""`python -m app drill` sends a task that misbehaves on purpose; `python -m app drill-mend` takes the fault out.

Only workers with MILLRACE_DRILLS_ENABLED know the task; for others it is an unknown one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from app import contract
from app.brokers.celery_app import celery_app
from app.brokers.transactional import captured
from app.storage import outbox
from app.storage.engine import engine
from app.tasks import drills


@dataclass(frozen=True, slots=True, kw_only=True)
class SentDrill:
    """What a test needs to find the drill again."""

    task_id: str
    switch: str
    event_id: str
    queue: str
    fault: str


def send(fault: drills.Fault, queue: str) -> SentDrill:
    """Write a drill to the outbox, with an event of its own that is stored once the fault is out."""
    switch, event_id = str(uuid4()), str(uuid4())
    event = {
        "event_id": event_id,
        "type": "drill",
        "occurred_at": datetime.now(UTC).isoformat(),
        "payload": json.dumps({"user_id": "drill", "amount": 1}),
    }
    with captured() as messages:
        result = celery_app.send_task(contract.TASK_DRILL, args=[fault, switch, event], queue=queue)
    with engine().begin() as connection:
        outbox.enqueue(connection, messages)
    return SentDrill(task_id=str(result.id), switch=switch, event_id=event_id, queue=queue, fault=fault)


def mend(switch: UUID) -> None:
    """Take the fault of this switch out. Writes the inbox, so it needs the worker's role."""
    drills.mend(switch)
