"""The last recorded failure of each of many tasks, in one query."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, UUID as PG_UUID
from sqlalchemy.engine import Connection

from app.brokers.letters import LastFailure

_LAST = text("""
    SELECT DISTINCT ON (task_id) task_id, reason, exception_type, exception_message, attempt, job_id
    FROM task_failures WHERE task_id = ANY(:ids)
    ORDER BY task_id, failed_at DESC, failure_id DESC
""").bindparams(bindparam("ids", type_=ARRAY(PG_UUID(as_uuid=True))))


def last_failures(connection: Connection, task_ids: Iterable[UUID | None]) -> dict[UUID, LastFailure]:
    """By task id; a task that never failed, or whose failure could not be recorded, is not in it."""
    ids = list({task_id for task_id in task_ids if task_id is not None})
    if not ids:
        return {}
    return {
        row.task_id: LastFailure(
            reason=row.reason,
            exception_type=row.exception_type,
            exception_message=row.exception_message,
            attempt=row.attempt,
            job_id=row.job_id,
        )
        for row in connection.execute(_LAST, {"ids": ids})
    }
