"""Makes the record of a failed attempt from the message's headers, which the worker's parent and child both have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app import contract
from app.brokers.message_headers import MOST_RETRIES
from app.settings import load
from app.storage.failures import TaskFailure
from app.storage.identifiers import task_uuid, uuid_or_none


def failure_of(
    headers: Mapping[str, Any], error: BaseException, *, reason: str, worker: str, traceback: str = ""
) -> TaskFailure | None:
    """The record of an attempt; None when the message has no id that a dead letter could be joined by."""
    task_id = task_uuid(headers.get("id"))
    if task_id is None:
        return None
    settings = load()
    return TaskFailure(
        task_id=task_id,
        task_name=str(headers.get("task") or ""),
        job_id=uuid_or_none(headers.get(contract.MESSAGE_JOB_ID)),
        queue=settings.worker_queue,
        attempt=attempt_of(headers),
        reason=reason,
        exception_type=type(error).__name__,
        exception_message=str(error),
        traceback=traceback,
        worker=worker,
        version=settings.version,
    )


def attempt_of(headers: Mapping[str, Any]) -> int:
    """1 for the first run, and for a header that says nothing sensible."""
    retries = headers.get("retries")
    return retries + 1 if isinstance(retries, int) and 0 <= retries <= MOST_RETRIES else 1
