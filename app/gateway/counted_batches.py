"""`/v1/batches`: millions of rows in chunks (docs/patterns/counted-batches.md). Each request may be repeated."""

from __future__ import annotations

import codecs
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, TypeVar
from uuid import UUID

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from app.contract import Scope
from app.failpoints import Failpoint, failpoint
from app.gateway import batch_records, bodies, items, metrics, openapi
from app.gateway.api_keys import KeyRecord
from app.gateway.batch_records import Row
from app.gateway.connections import Connection
from app.gateway.parts import parts_of
from app.gateway.problems import INVALID, NOT_FOUND, FieldError, Findings, ProblemError, pointer
from app.gateway.submission import idempotency_key_of
from app.patterns import counted_batches
from app.storage.identifiers import new_id, uuid_or_none

router = APIRouter()

PATH = "/v1/batches"
ONE = PATH + "/{batch_id}"
#: Of the bodies that open and seal a batch.
_SMALL_BYTES = 4096
#: PostgreSQL's integer.
_NUMBER_MAX = 2**31 - 1
_BIGINT_MAX = 2**63 - 1

_Model = TypeVar("_Model", bound=BaseModel)


class Open(BaseModel):
    """The body that opens a batch."""

    model_config = ConfigDict(extra="forbid", strict=True)

    task: str


class Seal(BaseModel):
    """The body that seals a batch: what its sender has added, so that nothing is missing in the aggregate."""

    model_config = ConfigDict(extra="forbid", strict=True)

    chunks: int = Field(ge=0, le=_NUMBER_MAX)
    rows: int = Field(ge=0, le=_BIGINT_MAX)


@router.post(PATH, response_class=Response, status_code=201, **openapi.BATCH_OPEN)
async def open_batch(request: Request) -> Response:
    """Open a batch. With an Idempotency-Key a second request finds the batch of the first."""
    parts, key = parts_of(request), await _admit(request, Scope.TASKS_WRITE)
    idempotency_key = idempotency_key_of(request)
    given, body = await _read(request, Open)
    if given.task not in counted_batches.declared():
        known = ", ".join(sorted(counted_batches.declared())) or "none"
        raise _wrong("#/task", f"is no batch; declared are {known}")
    parameters = {
        "batch_id": new_id(), "task": given.task, "api_key_id": key.api_key_id, "key": idempotency_key,
        "hash": sha256(b"batch\n" + body).digest(),  # no list of items has the same
        "expires_at": datetime.now(UTC) + timedelta(seconds=parts.settings.idempotency_keep_seconds),
    }  # fmt: skip

    async def write(connection: Connection) -> Row:
        return await batch_records.open_(connection, parameters)

    return _answer(await parts.database.run(write, writes=True, repeatable=idempotency_key is not None), status=201)


@router.put(ONE + "/chunks/{number}", response_class=Response, status_code=202, **openapi.BATCH_ADD)
async def add_chunk(request: Request) -> Response:
    """Add a list of rows under a number of the sender's. The same rows again change nothing."""
    parts, key = parts_of(request), await _admit(request, Scope.TASKS_WRITE)
    batch_id, number = _batch_id(request), _number(request)
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

        async def write(connection: Connection) -> None:
            await batch_records.add(connection, parameters, batch)

        await parts.database.run(write, writes=True)
    failpoint(Failpoint.GATEWAY_AFTER_COMMIT)
    metrics.ITEMS_ACCEPTED.labels(batch.queue).inc(parameters["rows"])
    return _json({"batch_id": str(batch_id), "chunk": number, "rows": parameters["rows"]}, status=202)


@router.post(ONE + "/seal", response_class=Response, **openapi.BATCH_SEAL)
async def seal_batch(request: Request) -> Response:
    """Say that nothing more comes. It is refused unless exactly the chunks and rows that it names were added."""
    parts, key = parts_of(request), await _admit(request, Scope.TASKS_WRITE)
    batch_id = _batch_id(request)
    given, _ = await _read(request, Seal)
    parameters = {"batch_id": batch_id, "api_key_id": key.api_key_id, **given.model_dump()}

    async def write(connection: Connection) -> Row:
        return await batch_records.seal(connection, parameters)

    return _answer(await parts.database.run(write, writes=True))


@router.get(ONE, response_class=Response, **openapi.BATCH)
async def read_batch(request: Request) -> Response:
    """Progress and aggregate of a batch of the caller's own key."""
    parts, key = parts_of(request), await _admit(request, Scope.JOBS_READ)
    parameters = {"batch_id": _batch_id(request), "api_key_id": key.api_key_id}

    async def find(connection: Connection) -> Row:
        return await batch_records.find(connection, parameters)

    return _answer(await parts.database.run(find))


async def _admit(request: Request, scope: Scope) -> KeyRecord:
    parts = parts_of(request)
    key = await parts.authenticator.require(request, scope)
    await parts.limiter.check(key.api_key_id, key.requests_per_second)
    return key


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
        raise  # it refused


def _answer(found: Row, *, status: int = 200) -> Response:
    url = f"{PATH}/{found['batch_id']}"
    body = {
        "batch_id": str(found["batch_id"]),
        "status_url": url,
        "task": found["task_name"],
        "state": "finished" if found["finished_at"] else "sealed" if found["sealed_at"] else "open",
        "chunks": {"added": found["chunks_added"], "done": found["chunks_done"], "dead_lettered": found["chunks_dead"]},
        "rows": {"added": found["rows_added"], "done": found["rows_done"]},
        "opened_at": found["opened_at"],
        "sealed_at": found["sealed_at"],
        "finished_at": found["finished_at"],
        "aggregate": None if found["aggregate"] is None else orjson.Fragment(found["aggregate"]),
    }
    return _json(body, status=status, headers={"Location": url} if status == 201 else {})


def _json(body: dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type="application/json", headers=headers)


def _batch_id(request: Request) -> UUID:
    batch_id = uuid_or_none(request.path_params["batch_id"])
    if batch_id is None:
        raise ProblemError(NOT_FOUND, "No batch of this API key has this id.")
    return batch_id


def _number(request: Request) -> int:
    text = request.path_params["number"]
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_NUMBER_MAX)) or int(text) > _NUMBER_MAX:
        raise _wrong("number", f"must be a whole number from 0 to {_NUMBER_MAX}")
    return int(text)


def _wrong(where: str, detail: str) -> ProblemError:
    return ProblemError(INVALID, errors=[FieldError(pointer=where, detail=detail)])
