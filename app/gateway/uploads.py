"""`POST /v1/uploads`: content of any kind into S3, under its SHA-256 (docs/patterns/uploads.md)."""

from __future__ import annotations

import asyncio
import tempfile
from functools import partial
from hashlib import sha256
from typing import IO, Annotated

import structlog
from fastapi import APIRouter, Depends, Path
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app.contract import Scope
from app.gateway import answers
from app.gateway.api_keys import KeyRecord
from app.gateway.openapi import refusals
from app.gateway.parts import Caller, Parts, parts_of
from app.gateway.problems import (
    BODY_TIMEOUT,
    NO_OBJECT_STORE,
    NOT_FOUND,
    OVERLOADED,
    TOO_LARGE,
    ProblemError,
    retry_after,
)  # fmt: skip

log = structlog.get_logger(__name__)
router = APIRouter(responses=refusals(401, 403, 422, 429, 501, 503))

PATH = "/v1/uploads"
#: The gateway collects so many bytes of a body before a thread hashes and writes them.
_BLOCK_BYTES = 1024 * 1024
_RETRY_SECONDS = 2.0

Writer = Annotated[KeyRecord, Depends(Caller(Scope.TASKS_WRITE))]
_CONTENT = {
    "requestBody": {
        "required": True,
        "description": "Content of any type. Its bytes are stored as they are sent.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
UploadKey = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]


@router.post(
    PATH, status_code=201, response_model=answers.Upload, openapi_extra=_CONTENT,
    responses=refusals(408, 413)
    | {200: {"model": answers.Upload, "description": "The content was there already: nothing was stored."}},
)  # fmt: skip
async def upload(request: Request, key: Writer) -> Response:
    """Store content under its SHA-256. The same content is stored once, so repeat the request after any failure."""
    parts = with_store(request)
    # The file has no name: if this process is killed, the kernel removes it.
    with parts.upload_slots.one(key.api_key_id), _spool_file(parts) as spool:
        name, size = await _spool(request, parts, spool)
        spool.seek(0)
        is_new = await parts.object_store.put(name, spool, size_bytes=size, api_key_id=key.api_key_id)
    request.state.log = {"upload": name, "bytes": size, "stored": is_new}
    return _answer(name, size, status=201 if is_new else 200)


@router.get(PATH + "/{upload_key}", response_model=answers.Upload, responses=refusals(404))
async def find_upload(request: Request, key: Writer, upload_key: UploadKey) -> Response:
    """Whether content with this key is there. Ask before you send a long body."""
    del key
    size = await with_store(request).object_store.size_bytes(upload_key)
    if size is None:
        raise ProblemError(NOT_FOUND, "No content of this SHA-256 was uploaded, or it was removed.")
    return _answer(upload_key, size, status=200)


def with_store(request: Request) -> Parts:
    """The parts of this gateway, which has an object store.

    Raises:
        ProblemError: 501.
    """
    parts = parts_of(request)
    if not parts.object_store.configured:
        raise ProblemError(NO_OBJECT_STORE)
    return parts


def _spool_file(parts: Parts) -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(dir=parts.settings.spool_dir)
    except OSError as error:
        raise _unwritable(error) from None


def _unwritable(error: OSError) -> ProblemError:
    log.error("spool_unwritable", reason=str(error))
    detail = "The disk for uploads is full, or cannot be written."
    return ProblemError(OVERLOADED, detail, headers=retry_after(_RETRY_SECONDS))


async def _spool(request: Request, parts: Parts, spool: IO[bytes]) -> tuple[str, int]:
    """Write the body to a file and hash it, a block at a time.

    Raises:
        ProblemError: 413 as soon as it is too long, 408 if it does not come whole and in time, 503 if the
            disk is full.
    """
    max_bytes = parts.settings.upload_max_bytes
    too_large = ProblemError(TOO_LARGE, f"An upload has at most {max_bytes} bytes.")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise too_large
    found, size, block = sha256(), 0, bytearray()

    def write(content: bytes) -> None:
        found.update(content)
        spool.write(content)

    try:
        async with asyncio.timeout(parts.settings.upload_seconds):
            async for part in request.stream():
                size += len(part)
                if size > max_bytes:
                    raise too_large
                block += part
                if len(block) >= _BLOCK_BYTES:
                    await parts.object_store.run(partial(write, bytes(block)))
                    block.clear()
        await parts.object_store.run(partial(write, bytes(block)))
    except TimeoutError:
        raise ProblemError(BODY_TIMEOUT) from None
    except ClientDisconnect:
        raise ProblemError(BODY_TIMEOUT, "The connection was closed.") from None
    except OSError as error:
        raise _unwritable(error) from None
    return found.hexdigest(), size


def _answer(name: str, size: int, *, status: int) -> Response:
    body = {"key": name, "bytes": size, "stored": status == 201}
    return answers.written(body, status_code=status, headers={"Location": f"{PATH}/{name}"} if status == 201 else None)
