"""An accepted request as Celery messages: Celery's own builder makes them, nothing is published here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from app import contract
from app.brokers.celery_app import celery_app
from app.brokers.transactional import captured
from app.gateway import chunks
from app.gateway.events import Submission
from app.storage.outbox import OutboxMessage


async def build(submission: Submission, *, job_id: UUID) -> Sequence[OutboxMessage]:
    """Return the messages of a job: one for an event, one a chunk for a list."""
    with captured() as messages:
        if not submission.is_list:
            _send(contract.TASK_INGEST_EVENT, submission.events[0], queue=submission.queue, job_id=job_id)
            return messages
        weights = [chunks.weight(*pair) for pair in zip(submission.events, submission.payload_bytes, strict=True)]
        for chunk in chunks.split(submission.events, weights):
            _send(contract.TASK_INGEST_CHUNK, chunk, queue=submission.queue, job_id=job_id)
            await asyncio.sleep(0)  # a request of 28 MB takes half a second to encode: let the others in between
    return messages


def _send(task: str, argument: Any, *, queue: contract.QueueClass, job_id: UUID) -> None:
    celery_app.send_task(
        task,
        args=[argument],
        queue=queue.value,
        task_id=str(uuid4()),
        headers={contract.MESSAGE_JOB_ID: str(job_id)},
    )
