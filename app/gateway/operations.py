"""For machines that look after the gateway: does it live, can it work, what has it counted."""

from __future__ import annotations

import orjson
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from app.contract import Scope
from app.gateway.answers import Status
from app.gateway.connections import Connection
from app.gateway.openapi import refusals
from app.gateway.parts import parts_of

router = APIRouter()
_OK = orjson.dumps({"status": "ok"})


@router.get("/healthz", response_model=Status)
async def healthz() -> Response:
    """The process lives. It says nothing about PostgreSQL: restarting us would not bring that back."""
    return Response(_OK, media_type="application/json")


@router.get("/readyz", response_model=Status, responses=refusals(503))
async def readyz(request: Request) -> Response:
    """PostgreSQL answers. Neither broker nor Redis is asked: without them everything is still accepted."""

    async def ask(connection: Connection) -> None:
        await connection.execute("SELECT 1")

    await parts_of(request).database.run(ask)
    return Response(_OK, media_type="application/json")


@router.get("/metrics", response_class=PlainTextResponse, responses=refusals(401, 403, 503))
async def metrics(request: Request) -> Response:
    """What was counted, for Prometheus; needs the scope metrics:read."""
    await parts_of(request).authenticator.require(request, Scope.METRICS_READ)
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
