"""`canary`: does nothing. That it starts, and when, is all there is to know (`app/worker/observation.py`)."""

from __future__ import annotations

from app import contract
from app.brokers.celery_app import celery_app


# Acknowledged before it runs: it comes once or not at all, whatever becomes of its worker, and never as a dead letter.
@celery_app.task(name=contract.TASK_CANARY, acks_late=False, max_retries=0)
def canary() -> None:
    """Do nothing."""
