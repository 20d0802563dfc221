"""`/v1/batches`: millions of rows in chunks (docs/patterns/counted-batches.md). Each request may be repeated."""

from __future__ import annotations

import codecs
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, TypeVar
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from app import contract
from app.contract import Scope
from app.failpoints import Failpoint, failpoint
from app.gateway import answers, batch_records, bodies, items, jobs, metrics
from app.gateway.api_keys import KeyRecord
from app.gateway.batch_records import Row
from app.gateway.connections import Connection
from app.gateway.openapi import refusals
from app.gateway.parameters import WHOLE_NUMBER, refuse_repeated
from app.gateway.parts import Caller, parts_of
from app.gateway.problems import INVALID, FieldError, Findings, ProblemError, pointer
from app.gateway.submission import RepeatKey
from app.patterns import counted_batches
from app.storage.identifiers import new_id

router = APIRouter(responses=refusals(401, 403, 422, 429, 503))

PATH = "/v1/batches"
ONE = PATH + "/{batch_id}"
#: The longest body that opens or seals a batch.
_SMALL_BYTES = 4096
#: PostgreSQL's integer.
_NUMBER_MAX = 2**31 - 1
_BIGINT_MAX = 2**63 - 1
#: The largest number of a chunk; `WHOLE_NUMBER` takes no more digits.
_CHUNK_MAX = 10**9 - 1

Writer = Annotated[KeyRecord, Depends(Caller(Scope.TASKS_WRITE))]
_OF_A_BODY = refusals(408, 413, 415)
_OF_A_CHANGE = refusals(404, 409)
_ROWS = {"type": "array", "minItems": 1, "maxItems": contract.REQUEST_MAX_ITEMS, "items": {"type": "object"}}
_Model = TypeVar("_Model", bound=BaseModel)


class Open(BaseModel):
    """The body that opens a batch."""

    model_config = ConfigDict(extra="forbid", strict=True)

    task: str


class Seal(BaseModel):
    """The body that seals a batch: how much its sender has added, so that nothing is missing in the aggregate."""

    model_config = ConfigDict(extra="forbid", strict=True)

    chunks: int = Field(ge=0, le=_NUMBER_MAX)
    rows: int = Field(ge=0, le=_BIGINT_MAX)


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    """Describe a body that the route reads itself, within its bounds."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.post(
    PATH, status_code=201, response_model=answers.Batch, responses=_OF_A_BODY,
    openapi_extra=_body(Open.model_json_schema()),
)  # fmt: skip
async def open_batch(request: Request, key: Writer, idempotency_key: RepeatKey = None) -> Response:
    """Open a batch for millions of rows. With an Idempotency-Key a second request finds the batch of the first."""
    refuse_repeated(request.headers, (contract.HEADER_IDEMPOTENCY_KEY,))
    parts = parts_of(request)
    given, body = await _read(request, Open)
    if given.task not in counted_batches.declared():
        known = ", ".join(sorted(counted_batches.declared())) or "none"
        raise _wrong("#/task", f"is not a declared batch; declared are: {known}")
    parameters = {
        "batch_id": new_id(), "task": given.task, "api_key_id": key.api_key_id, "key": idempotency_key,
        "hash": sha256(b"batch\n" + body).digest(),  # differs from the hash of every list of items
        "expires_at": datetime.now(UTC) + timedelta(seconds=parts.settings.idempotency_keep_seconds),
    }  # fmt: skip

    async def write(connection: Connection) -> Row:
        return await batch_records.open_(connection, parameters)

    return _answer(await parts.database.run(write, writes=True, repeatable=idempotency_key is not None), status=201)


@router.put(
    ONE + "/chunks/{number}", status_code=202, response_model=answers.Chunk, responses=_OF_A_BODY | _OF_A_CHANGE,
    openapi_extra=_body(_ROWS),
)  # fmt: skip
async def add_chunk(
    request: Request, key: Writer, batch_id: UUID, number: Annotated[int, Path(ge=0, le=_CHUNK_MAX), WHOLE_NUMBER]
) -> Response:
    """Add a list of rows under a number that the sender chooses. Adding the same rows again changes nothing."""
    parts = parts_of(request)
    bodies.check_headers(request.headers.get("content-type"), request.headers.get("content-encoding"))
    parameters: dict[str, Any] = {"batch_id": batch_id, "number": number, "api_key_id": key.api_key_id}

    async def find(connection: Connection) -> Row:
        return await batch_records.find(connection, parameters)

    batch = batch_records.declared(await parts.database.run(find))
    with parts.body_memory.share() as share:
        body = await bodies.read(request, share, max_bytes=parts.settings.request_max_bytes)
        parts.shedder.check(batch.queue)
        if not items.looks_like_list(body):
            raise _wrong("#", "Input should be a list of rows")
        rows = await items.parse(body, batch.form, payload_max_bytes=parts.settings.payload_max_bytes)
        parameters |= {
            "rows": len(rows.items), "hash": sha256(body).digest(), "body": body.removeprefix(codecs.BOM_UTF8),
        }  # fmt: skip

        beyond_share = not await parts.shares.take(key.api_key_id, batch.queue, len(rows.items))
        if beyond_share:
            parts.shedder.check(batch.queue, beyond_share=True)

        async def write(connection: Connection) -> bool:
            return await batch_records.add(connection, parameters, batch, beyond_share=beyond_share)

        is_new = await parts.database.run(write, writes=True)
    failpoint(Failpoint.GATEWAY_AFTER_COMMIT)
    if is_new:
        metrics.ITEMS_ACCEPTED.labels(batch.queue).inc(parameters["rows"])
    answer = {"batch_id": str(batch_id), "chunk": number, "rows": parameters["rows"]}
    return answers.written(answer, status_code=202, headers={"Location": f"{PATH}/{batch_id}"})


@router.post(
    ONE + "/seal", response_model=answers.Batch, responses=_OF_A_BODY | _OF_A_CHANGE,
    openapi_extra=_body(Seal.model_json_schema()),
)  # fmt: skip
async def seal_batch(request: Request, key: Writer, batch_id: UUID) -> Response:
    """End the adding of chunks. The gateway refuses unless exactly the named numbers of chunks and rows were added."""
    given, _ = await _read(request, Seal)
    parameters = {"batch_id": batch_id, "api_key_id": key.api_key_id, **given.model_dump()}

    async def write(connection: Connection) -> Row:
        return await batch_records.seal(connection, parameters)

    return _answer(await parts_of(request).database.run(write, writes=True))


@router.post(ONE + "/revoke", response_model=answers.Batch, responses=refusals(404))
async def revoke_batch(request: Request, key: Writer, batch_id: UUID) -> Response:
    """Revoke the chunks that have not begun, and the aggregate.

    A chunk that already runs goes on. The batch is `revoking` until the end of each chunk is known. A batch that is
    finished stays so. A second revocation changes nothing.
    """
    parameters = {"batch_id": batch_id, "api_key_id": key.api_key_id}

    async def write(connection: Connection) -> Row:
        return await batch_records.revoke(connection, parameters)

    return _answer(await parts_of(request).database.run(write, writes=True))


@router.get(ONE, response_model=answers.Batch, responses=refusals(404))
async def read_batch(request: Request, key: jobs.Reader, batch_id: UUID) -> Response:
    """Progress and aggregate of a batch of the caller's own key."""
    parameters = {"batch_id": batch_id, "api_key_id": key.api_key_id}

    async def find(connection: Connection) -> Row:
        return await batch_records.find(connection, parameters)

    return _answer(await parts_of(request).database.run(find))


async def _read(request: Request, model: type[_Model]) -> tuple[_Model, bytes]:
    bodies.check_headers(request.headers.get("content-type"), request.headers.get("content-encoding"))
    with parts_of(request).body_memory.share() as share:
        body = await bodies.read(request, share, max_bytes=_SMALL_BYTES)
    try:
        return model.model_validate_json(body), body
    except ValidationError as error:
        findings = Findings()
        for problem in error.errors(include_url=False, include_context=False, include_input=False):
            findings.add(FieldError(pointer=pointer(problem["loc"]), detail=problem["msg"]))
        findings.refuse()
        raise  # unreachable: `refuse` has raised


def _answer(found: Row, *, status: int = 200) -> Response:
    url = f"{PATH}/{found['batch_id']}"
    body = {
        "batch_id": str(found["batch_id"]),
        "status_url": url,
        "task": found["task_name"],
        "state": _state(found),
        "chunks": {
            "added": found["chunks_added"],
            "done": found["chunks_done"],
            "dead_lettered": found["chunks_dead"],
            "revoked": found["chunks_revoked"],
        },
        "uploads": {
            "waiting": found["uploads_taken"] - found["uploads_ended"],
            "added": found["uploads_ended"] - found["uploads_refused"],
            "refused": found["uploads_refused"],
        },
        "rows": {"added": found["rows_added"], "done": found["rows_done"]},
        "opened_at": found["opened_at"],
        "sealed_at": found["sealed_at"],
        "revoked_at": found["revoked_at"],
        "finished_at": found["finished_at"],
        "aggregate": None if found["aggregate"] is None else orjson.Fragment(found["aggregate"]),
    }
    return answers.written(body, status_code=status, headers={"Location": url} if status == 201 else None)


def _state(found: Row) -> str:
    if found["finished_at"]:
        return "finished"
    if found["revoked_at"]:
        return "revoking" if found["revoking"] else "revoked"
    return "sealed" if found["sealed_at"] else "open"


def _wrong(where: str, detail: str) -> ProblemError:
    return ProblemError(INVALID, errors=[FieldError(pointer=where, detail=detail)])
