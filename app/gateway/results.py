"""`GET /v1/jobs/{job_id}/results`: what the items of a caller's own job returned, if their task keeps results.

The result backend has what was returned. If it has nothing, the inbox, the dropped items and the dead letters say how
the item ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from app.gateway import answers, item_results, jobs
from app.gateway.connections import Connection
from app.gateway.item_results import PAGE_MAX_BYTES, Row
from app.gateway.openapi import refusals
from app.gateway.parameters import WHOLE_NUMBER, refuse_repeated
from app.gateway.parts import parts_of
from app.gateway.problems import NOT_FOUND, ProblemError
from app.kinds import registry
from app.storage.identifiers import item_task_id

router = APIRouter(responses=refusals(401, 403, 404, 422, 429, 503))

#: Items on a page.
LIMIT_MAX = 100

# An item counts as executed by the same rule as in `job_records.JOBS`. If another job executed the key before this job
# was accepted, this job's task stores its result later; so the time for which it is kept begins with this job.
_ITEMS = """
    SELECT j.task_name, k.key, d.outcome, l.reason, l.exception_type, l.exception_message AS message,
           CASE WHEN i.dedupe_key IS NOT NULL AND (d.outcome IS NULL OR i.job_id = j.job_id)
                THEN greatest(i.executed_at, j.accepted_at) END AS executed_at
    FROM jobs j
    LEFT JOIN LATERAL (
        SELECT key, place, dedupe_key(j.task_name, j.api_key_id, key)
        FROM unnest(j.keys) WITH ORDINALITY AS one(key, place)
        WHERE place > %(after)s ORDER BY place LIMIT %(limit)s
    ) AS k(key, place, dedupe_key) ON true
    LEFT JOIN inbox i USING (dedupe_key)
    LEFT JOIN dropped_items d ON d.job_id = j.job_id AND d.dedupe_key = k.dedupe_key
    LEFT JOIN LATERAL (
        SELECT reason, exception_type, exception_message FROM dead_letters
        WHERE job_id = j.job_id AND state <> 'replayed'
          AND (k.key = ANY (keys) OR (keys = '{}' AND cardinality(j.keys) = 1))
        ORDER BY died_at DESC LIMIT 1
    ) l ON true
    WHERE j.job_id = %(job_id)s AND j.api_key_id = %(api_key_id)s
    ORDER BY k.place
"""


@router.get(jobs.PATH + "/results", response_model=answers.Results)
async def get_results(
    request: Request,
    key: jobs.Reader,
    job_id: UUID,
    after: Annotated[
        int, Query(ge=0, le=1_000_000, description="Items to pass over: `next` of the page before."), WHOLE_NUMBER
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items on a page, at most."), WHOLE_NUMBER] = LIMIT_MAX,
) -> Response:
    """What the items of a job returned, in the order in which they were sent, if their task keeps results."""
    refuse_repeated(request.query_params, ("after", "limit"))
    parts = parts_of(request)
    asked = {"job_id": job_id, "api_key_id": key.api_key_id, "after": after, "limit": limit + 1}

    async def read(connection: Connection) -> Sequence[Row]:
        return await (await connection.execute(_ITEMS, asked)).fetchall()

    rows = await parts.database.run(read)
    if not rows:
        raise jobs.not_found()
    declaration = registry.declarations().get(rows[0]["task_name"])
    if declaration is None or declaration.result is None:
        raise ProblemError(NOT_FOUND, "The task of this job keeps no results.")
    store = parts.results[declaration.result]
    found = [row for row in rows[:limit] if row["key"] is not None]
    task_ids = [str(item_task_id(job_id, row["key"])) for row in found]
    sizes = await store.sizes(task_ids)
    count = item_results.fitting(sizes)
    wanted = [id_ for id_, size in zip(task_ids[:count], sizes, strict=False) if size <= PAGE_MAX_BYTES]
    metas = dict(zip(wanted, await store.metas(wanted), strict=True))
    since = datetime.now(UTC) - timedelta(seconds=store.keep_seconds)
    told = [
        item_results.item_result(row, metas.get(task_id), too_large=task_id not in metas, kept_since=since)
        for row, task_id in zip(found[:count], task_ids, strict=False)
    ]
    more = count < len(found) or len(rows) > limit
    body = {"results": told, "next": after + count if more else None}
    return Response(item_results.text(body), media_type="application/json")
