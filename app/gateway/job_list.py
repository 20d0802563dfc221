"""Reads a page of a caller's jobs, newest first, at a bounded cost.

A job's state is not stored: a filter by state derives it for each job that may match. One request looks at a bounded
number of jobs and items; if more are left, its page may be short or empty, and its cursor goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.gateway.connections import Connection
from app.gateway.job_query import LIMIT_MAX, JobQuery
from app.storage import job_records
from app.storage.identifiers import first_id_at
from app.storage.job_records import Job
from app.storage.job_state import JobState

#: Jobs of the API key that a request passes over, of other tasks and times; they cost an index entry and a row each.
PASSED_MAX = 5_000
#: Items that it looks up. A job of a full list has 1,000, and the first job always fits.
ITEMS_MAX = 10_000
#: A job's id carries the gateway's time, `accepted_at` is PostgreSQL's; between them lie a body, a statement and the
#: difference of two clocks. The id narrows the search, `accepted_at` decides.
_APART = timedelta(minutes=1)

# `passed` reads along the index jobs_by_api_key, where keyset paging begins. It takes no `keys`, which may be long.
_CANDIDATES = """
    WITH passed AS (
        SELECT job_id, task_name, accepted_at FROM jobs
        WHERE api_key_id = %(api_key_id)s AND job_id < %(before)s AND job_id >= %(since)s
        ORDER BY job_id DESC LIMIT %(passed_max)s
    ), matching AS (
        SELECT p.job_id, cardinality(j.keys) AS items FROM passed p JOIN jobs j USING (job_id)
        WHERE (%(task)s::text IS NULL OR p.task_name = %(task)s)
          AND (%(accepted_after)s::timestamptz IS NULL OR p.accepted_at >= %(accepted_after)s)
          AND (%(accepted_before)s::timestamptz IS NULL OR p.accepted_at < %(accepted_before)s)
        ORDER BY p.job_id DESC LIMIT %(jobs_max)s
    ), counted AS (
        SELECT job_id, sum(items) OVER (ORDER BY job_id DESC) - items AS items_before FROM matching
    )
    SELECT ARRAY(SELECT job_id FROM counted WHERE items_before < %(items_max)s ORDER BY job_id DESC) AS job_ids,
           (SELECT count(*) FROM matching) AS matching,
           (SELECT count(*) FROM passed) AS passed,
           (SELECT job_id FROM passed ORDER BY job_id LIMIT 1) AS last_passed
"""
_FIRST_ID, _LAST_ID = UUID(int=0), UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Jobs, and the id after which the next page begins; None: there are no more."""

    jobs: Sequence[Job]
    next_after: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The jobs whose state is looked at, newest first; and the id up to which all was seen, None: to the end."""

    job_ids: Sequence[UUID]
    seen_until: UUID | None


async def read(connection: Connection, query: JobQuery, *, api_key_id: str) -> Page:
    """Two statements for the jobs and one for their dead letters, however many jobs there are."""
    candidates = await _candidates(connection, query, api_key_id=api_key_id)
    jobs = await read_jobs(connection, candidates.job_ids, api_key_id=api_key_id) if candidates.job_ids else []
    return choose(jobs, candidates, state=query.state, limit=query.limit)


async def read_jobs(connection: Connection, job_ids: Sequence[UUID], *, api_key_id: str) -> list[Job]:
    """Those of the jobs that there are and that are this API key's, newest first."""
    parameters = job_records.parameters(job_ids, api_key_id=api_key_id)
    rows = await (await connection.execute(job_records.JOBS, parameters)).fetchall()
    if not rows:
        return []
    letters = await connection.execute(job_records.DEAD_LETTERS, parameters)
    return job_records.jobs_of(rows, await letters.fetchall())


def choose(jobs: Sequence[Job], candidates: Candidates, *, state: JobState | None, limit: int) -> Page:
    """The page: of the candidates those in this state. A candidate that retention has just dropped is passed over."""
    kept = [job for job in jobs if state is None or job.status.state is state]
    if len(kept) > limit or (len(kept) == limit and (candidates.seen_until or kept[-1].job_id != jobs[-1].job_id)):
        return Page(jobs=kept[:limit], next_after=kept[limit - 1].job_id)
    return Page(jobs=kept, next_after=candidates.seen_until)


async def _candidates(connection: Connection, query: JobQuery, *, api_key_id: str) -> Candidates:
    jobs_max = query.limit if query.state is None else LIMIT_MAX
    narrowed = query.task is not None or query.accepted_after is not None or query.accepted_before is not None
    passed_max = PASSED_MAX if narrowed else jobs_max  # without a filter each job that is passed is a candidate
    before = _id_at(query.accepted_before, _APART, otherwise=_LAST_ID)
    parameters = {
        "api_key_id": api_key_id, "task": query.task, "accepted_after": query.accepted_after,
        "accepted_before": query.accepted_before, "since": _id_at(query.accepted_after, -_APART, otherwise=_FIRST_ID),
        "before": min(before, query.cursor or _LAST_ID), "passed_max": passed_max, "items_max": ITEMS_MAX,
        "jobs_max": jobs_max,
    }  # fmt: skip
    row = await (await connection.execute(_CANDIDATES, parameters)).fetchone()
    if row is None or not row["passed"]:
        return Candidates(job_ids=[], seen_until=None)
    ids = row["job_ids"]
    if len(ids) < row["matching"] or row["matching"] == jobs_max:
        return Candidates(job_ids=ids, seen_until=ids[-1])
    return Candidates(job_ids=ids, seen_until=row["last_passed"] if row["passed"] == passed_max else None)


def _id_at(moment: datetime | None, apart: timedelta, *, otherwise: UUID) -> UUID:
    """The first id of a moment, as far as ids go back (1970) and forth."""
    if moment is None:
        return otherwise
    try:
        return first_id_at(moment + apart)
    except (ValueError, OverflowError):
        return _FIRST_ID if moment.year < 2000 else _LAST_ID
