"""An accepted request as Celery messages: Celery's own builder makes them, nothing is published here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from app import contract
from app.brokers.celery_app import celery_app
from app.brokers.transactional import captured
from app.gateway import batches
from app.gateway.bodies import Share
from app.gateway.items import Submission
from app.gateway.pace import Pace
from app.kinds import claims
from app.kinds.declared import Declaration, Kind
from app.kinds.ordered import order_headers
from app.storage.identifiers import item_task_id
from app.storage.outbox import OutboxMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The task that a request is for, and on whose behalf."""

    task_name: str
    declaration: Declaration
    api_key_id: str

    def queue(self, *, is_list: bool) -> str:
        """Where a request goes, by its form alone."""
        return self.declaration.list_queue if is_list else self.declaration.queue


async def build(
    target: Target, submission: Submission, share: Share, *, job_id: UUID, expires_seconds: int | None = None
) -> Sequence[OutboxMessage]:
    """Return the messages of a job: one a batch, or one an item where the task takes single ones.

    Celery's own option `expires` would also set a time to live, and the broker would dead-letter what outlives it. The
    header alone leaves that to the worker, which records the item as expired.

    Raises:
        ProblemError: 413 or 503, where they need more memory than there is.
    """
    queue = target.queue(is_list=submission.is_list)
    headers = {contract.MESSAGE_JOB_ID: str(job_id), contract.MESSAGE_SCOPE: target.api_key_id}
    if expires_seconds is not None:
        headers["expires"] = (datetime.now(UTC) + timedelta(seconds=expires_seconds)).isoformat()
    pace = Pace()
    total_bytes = 0
    with captured() as messages:
        for call in _calls(target, submission, job_id):
            celery_app.send_task(target.task_name, queue=queue, headers=headers | call.pop("headers"), **call)
            total_bytes += len(messages[-1].body)
            if submission.is_list:
                share.built(total_bytes)
                await pace.breathe()
    return messages


def _calls(target: Target, submission: Submission, job_id: UUID) -> Iterator[dict[str, Any]]:
    declaration = target.declaration
    if declaration.kind is Kind.ONCE_IN_BATCHES:
        for batch in batches.split(submission.items):
            yield {"args": [batch], "headers": claims.joining(batch), "task_id": str(uuid4())}
        return
    [parameter] = declaration.forms
    for item in submission.items:
        task_id = str(item_task_id(job_id, item.key))
        headers = {contract.MESSAGE_KEY: item.key} | order_headers(target.task_name, declaration, item.line)
        yield {"kwargs": {parameter: item.wire}, "headers": headers, "task_id": task_id}
