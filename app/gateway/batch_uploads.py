"""`/v1/batches/{id}/uploads/{key}`: rows of a batch from an upload (docs/patterns/counted-batches.md)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.gateway import answers, batch_records, jobs
from app.gateway.batch_records import Row
from app.gateway.connections import Connection
from app.gateway.counted_batches import ONE, Writer
from app.gateway.openapi import refusals
from app.gateway.problems import BATCH_CONFLICT, NOT_FOUND, ProblemError
from app.gateway.uploads import UploadKey, with_store
from app.patterns.counted_batches import CountedBatch
from app.storage.batch_uploads import UPLOADS_MAX

router = APIRouter(responses=refusals(401, 403, 404, 422, 429, 503))

_PATH = ONE + "/uploads/{upload_key}"
_LOCK = """
    SELECT sealed_at, uploads_taken, EXISTS (SELECT FROM job_revocations WHERE job_id = batch_id) AS revoked
    FROM batches WHERE batch_id = %(batch_id)s AND api_key_id = %(api_key_id)s FOR UPDATE
"""
_FIND = """
    SELECT u.* FROM batch_uploads u JOIN batches b USING (batch_id)
    WHERE u.batch_id = %(batch_id)s AND u.upload_key = %(upload_key)s AND b.api_key_id = %(api_key_id)s
"""
_TAKE = """
    WITH taken AS (
        UPDATE batches SET uploads_taken = uploads_taken + 1 WHERE batch_id = %(batch_id)s
        RETURNING batch_id, uploads_taken - 1 AS number
    )
    INSERT INTO batch_uploads (batch_id, upload_key, number) SELECT batch_id, %(upload_key)s, number FROM taken
"""


@router.put(_PATH, status_code=202, response_model=answers.BatchUpload, responses=refusals(409, 501))
async def add_upload(request: Request, key: Writer, batch_id: UUID, upload_key: UploadKey) -> Response:
    """Add the rows of an upload, one JSON object a line. Adding the same upload again changes nothing."""
    parts = with_store(request)
    parameters = {"batch_id": batch_id, "api_key_id": key.api_key_id, "upload_key": upload_key}

    async def find(connection: Connection) -> Row:
        return await batch_records.find(connection, parameters)

    batch = batch_records.declared(await parts.database.run(find))
    parts.shedder.check(batch.queue)
    if await parts.object_store.size_bytes(upload_key) is None:
        raise ProblemError(NOT_FOUND, "No content of this SHA-256 was uploaded, or it was removed: upload it first.")

    async def write(connection: Connection) -> Row:
        return await _take(connection, parameters, batch)

    return _answer(await parts.database.run(write, writes=True), status=202)


@router.get(_PATH, response_model=answers.BatchUpload)
async def read_upload(request: Request, key: jobs.Reader, batch_id: UUID, upload_key: UploadKey) -> Response:
    """What became of an upload: its rows are added, or a line is wrong."""
    parameters = {"batch_id": batch_id, "api_key_id": key.api_key_id, "upload_key": upload_key}

    async def find(connection: Connection) -> Row:
        found = await _find(connection, parameters)
        if found is None:
            raise ProblemError(NOT_FOUND, "No batch of this API key has this id and this upload.")
        return found

    return _answer(await with_store(request).database.run(find), status=200)


async def _take(connection: Connection, parameters: dict[str, Any], batch: CountedBatch) -> Row:
    """Write the upload, its count and its message, or find what an earlier request has written.

    Raises:
        ProblemError: 409 if the batch is sealed or revoked, or has too many uploads.
    """
    async with connection.transaction():
        # A batch is not removed while it is young, so it is there as it was just now.
        locked: Any = await (await connection.execute(_LOCK, parameters)).fetchone()
        earlier = await _find(connection, parameters)
        if earlier is not None:
            return earlier
        if locked["sealed_at"] is not None or locked["revoked"]:
            raise ProblemError(BATCH_CONFLICT, "The batch is sealed or revoked: it takes no more uploads.")
        if locked["uploads_taken"] >= UPLOADS_MAX:
            raise ProblemError(BATCH_CONFLICT, f"A batch takes at most {UPLOADS_MAX} uploads: open another batch.")
        await connection.execute(_TAKE, parameters)
        batch_id, upload_key = parameters["batch_id"], parameters["upload_key"]
        await batch_records.send(connection, lambda: batch.send_upload(batch_id, upload_key))
        taken: Any = await _find(connection, parameters)
        return dict(taken)


async def _find(connection: Connection, parameters: dict[str, Any]) -> Row | None:
    return await (await connection.execute(_FIND, parameters)).fetchone()


def _answer(found: Row, *, status: int) -> Response:
    refused = found["refused_line"] is not None
    ended = "refused" if refused else "added"
    body = {
        "batch_id": str(found["batch_id"]),
        "upload": found["upload_key"],
        "state": ended if found["ended_at"] else "waiting",
        "chunks": found["chunks"],
        "rows": found["rows"],
        "error": {"line": found["refused_line"], "detail": found["refused_because"]} if refused else None,
    }
    url = _PATH.format(batch_id=body["batch_id"], upload_key=body["upload"])
    return answers.written(body, status_code=status, headers={"Location": url} if status == 202 else None)
