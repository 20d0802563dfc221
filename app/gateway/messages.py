"""An accepted request as Celery messages: Celery's own builder makes them, nothing is published here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from app import contract
from app.brokers.celery_app import celery_app
from app.brokers.transactional import captured
from app.gateway import chunks
from app.gateway.bodies import Share
from app.gateway.events import Submission
from app.gateway.pace import Pace
from app.storage.outbox import OutboxMessage


async def build(submission: Submission, share: Share, *, job_id: UUID) -> Sequence[OutboxMessage]:
    """Return the messages of a job: one for an event, one a chunk for a list.

    Raises:
        ProblemError: 413 or 503, where they need more memory than there is.
    """
    with captured() as messages:
        if not submission.is_list:
            [event] = submission.events
            _send(contract.TASK_INGEST_EVENT, event.as_message(), queue=submission.queue, job_id=job_id)
            return messages
        pace = Pace()
        total_bytes = 0
        for chunk in chunks.split(submission.events):
            _send(contract.TASK_INGEST_CHUNK, chunk, queue=submission.queue, job_id=job_id)
            total_bytes += len(messages[-1].body)
            share.built(total_bytes)
            await pace.breathe()
    return messages


def _send(task: str, argument: Any, *, queue: str, job_id: UUID) -> None:
    celery_app.send_task(
        task,
        args=[argument],
        queue=queue,
        task_id=str(uuid4()),
        headers={contract.MESSAGE_JOB_ID: str(job_id)},
    )
