"""The statements that read jobs, and the functions that turn their rows into `JobRecords`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from app.storage.identifiers import later_id
from app.storage.job_state import DeadLetterOfJob, Failure, JobRecords, JobStatus, derive

#: A job's messages get their ids within this time after the job's own.
_MESSAGES_WITHIN = timedelta(seconds=5)
#: At most so many dead letters of a job are read, the newest first.
_LETTERS_MAX = 1000

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job and what became of it."""

    job_id: UUID
    task_name: str
    queue: str
    records: JobRecords
    status: JobStatus


# The first messages of a job are made a moment after its id, so the range of ids finds them by the primary key; the
# outbox has no index on job_id, because no other question needs one.
# If this job dropped an item and another job with the same key executed it, this job counts the item as dropped.
JOBS = """
    SELECT j.job_id, j.task_name, j.queue, j.keys, j.accepted_at, r.revoked_at, items.*, failed.*, last.*,
        (SELECT count(*) FROM outbox_pending p JOIN outbox o USING (message_id)
         WHERE p.message_id >= j.job_id AND p.message_id < asked.messages_before AND o.job_id = j.job_id
        ) + (SELECT count(*) FROM outbox_held h WHERE h.job_id = j.job_id) AS unpublished_messages
    FROM unnest(%(job_ids)s::uuid[], %(messages_before)s::uuid[]) AS asked(job_id, messages_before)
    JOIN jobs j USING (job_id)
    LEFT JOIN job_revocations r USING (job_id)
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(key) FILTER (WHERE is_executed), '{}') AS executed_keys,
               coalesce(max(attempts) FILTER (WHERE is_executed), 0) AS executed_attempts,
               min(executed_at) FILTER (WHERE is_executed) AS first_executed_at,
               max(executed_at) FILTER (WHERE is_executed) AS last_executed_at,
               coalesce(array_agg(key) FILTER (WHERE NOT is_executed AND outcome = 'revoked'), '{}') AS revoked_keys,
               coalesce(array_agg(key) FILTER (WHERE NOT is_executed AND outcome = 'expired'), '{}') AS expired_keys,
               max(dropped_at) FILTER (WHERE NOT is_executed) AS last_dropped_at
        FROM (
            SELECT k.key, i.attempts, i.executed_at, d.outcome, d.dropped_at,
                   i.dedupe_key IS NOT NULL AND (d.outcome IS NULL OR i.job_id = j.job_id) AS is_executed
            FROM (SELECT key, dedupe_key(j.task_name, j.api_key_id, key) FROM unnest(j.keys) AS one(key))
                 AS k(key, dedupe_key)
            LEFT JOIN inbox i USING (dedupe_key)
            LEFT JOIN dropped_items d ON d.job_id = j.job_id AND d.dedupe_key = k.dedupe_key
        ) item
    ) items
    CROSS JOIN LATERAL (
        SELECT count(*) AS failed_attempts, coalesce(max(attempt), 0) AS last_attempt
        FROM task_failures WHERE job_id = j.job_id
    ) failed
    LEFT JOIN LATERAL (
        SELECT reason, exception_type, exception_message, failed_at
        FROM task_failures WHERE job_id = j.job_id ORDER BY failed_at DESC LIMIT 1
    ) last ON true
    WHERE j.api_key_id = %(api_key_id)s
    ORDER BY j.job_id DESC
"""

DEAD_LETTERS = f"""
    SELECT d.* FROM unnest(%(job_ids)s::uuid[]) AS asked(id) CROSS JOIN LATERAL (
        SELECT job_id, state, keys, attempts, reason, exception_type, exception_message, died_at
        FROM dead_letters WHERE job_id = asked.id ORDER BY died_at DESC LIMIT {_LETTERS_MAX}
    ) d
"""  # noqa: S608 - an own number


def parameters(job_ids: Sequence[UUID], *, api_key_id: str) -> dict[str, Any]:
    """The parameters of both statements."""
    return {
        "job_ids": list(job_ids),
        "messages_before": [later_id(job_id, _MESSAGES_WITHIN) for job_id in job_ids],
        "api_key_id": api_key_id,
    }


def jobs_of(rows: Iterable[Row], letters: Iterable[Row]) -> list[Job]:
    """The jobs, in the order of their rows."""
    by_job: dict[UUID, list[DeadLetterOfJob]] = defaultdict(list)
    for letter in letters:
        by_job[letter["job_id"]].append(
            DeadLetterOfJob(
                state=letter["state"],
                keys=letter["keys"],
                attempts=letter["attempts"],
                failure=_failure(letter, at=letter["died_at"]),
            )
        )
    return [_job(row, by_job[row["job_id"]]) for row in rows]


def _job(row: Row, letters: list[DeadLetterOfJob]) -> Job:
    same = {name: row[name] for name in JobRecords.__dataclass_fields__ if name in row}
    last = None if row["failed_at"] is None else _failure(row, at=row["failed_at"])
    records = JobRecords(**same, last_failure=last, dead_letters=letters)
    return Job(
        job_id=row["job_id"], task_name=row["task_name"], queue=row["queue"], records=records, status=derive(records)
    )


def _failure(row: Row, *, at: Any) -> Failure:
    return Failure(reason=row["reason"], exception_type=row["exception_type"], message=row["exception_message"], at=at)
