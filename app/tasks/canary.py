"""`canary`: does nothing. That it starts, and when, is all there is to know (`app/worker/observation.py`)."""

from __future__ import annotations

from app import contract
from app.brokers.celery_app import celery_app
from app.kinds import Every
from app.settings import load

#: Our queues only: an application of somebody else does not know the task.
_QUEUES = tuple(queue.name for queue in contract.queues() if not queue.foreign)


# Acknowledged before it runs: it comes once or not at all, whatever becomes of its worker, and never as a dead letter.
@celery_app.task(
    name=contract.TASK_CANARY,
    acks_late=False,
    max_retries=0,
    schedule=Every(load().canary_seconds, queues=_QUEUES, perishable=True),
)
def canary() -> None:
    """Do nothing."""
