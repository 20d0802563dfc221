"""The FastAPI application: routes, what surrounds them, and what runs beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.gateway import counted_batches, jobs, openapi, operations, problems, submission
from app.gateway.middleware import RequestContext
from app.gateway.parts import Parts
from app.gateway.problems import METHOD_NOT_ALLOWED, NOT_FOUND, Kind, ProblemError
from app.kinds import registry
from app.telemetry import context

_BY_STATUS = {404: NOT_FOUND, 405: METHOD_NOT_ALLOWED}


def create(parts: Parts) -> FastAPI:
    """Build the application around its parts; every task that is served has its route.

    Raises:
        MillraceError: a module of tasks cannot be imported, or declares one in a way that cannot work.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        beside = [asyncio.create_task(parts.shedder.watch()), asyncio.create_task(parts.limiter.breaker.watch())]
        yield
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await parts.limiter.close()
        await parts.database.close()

    app = FastAPI(
        title="Millrace",
        version=parts.settings.version,
        description="Tasks accepted once, executed as declared. Every refusal is a problem document (RFC 9457), "
        "also of what is no HTTP (400) or has endless headers (431); connections over the bound are closed unanswered.",
        lifespan=lifespan,
        redirect_slashes=False,  # a redirected POST loses its body with many clients
        docs_url=None,  # its page loads scripts from other people's servers
        redoc_url=None,
    )
    app.state.parts = parts
    registry.import_tasks(parts.settings)
    tasks = registry.declarations()
    for router in (submission.router_of(tasks), jobs.router, counted_batches.router, operations.router):
        app.include_router(router)
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_middleware(RequestContext)
    _describe(app, openapi.schemas(tasks))
    return app


def _describe(app: FastAPI, schemas: dict[str, Any]) -> None:
    generate = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = openapi.complete(generate(), schemas)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's documented way


def _request_id() -> str | None:
    current = context.current()
    return current.correlation_id if current is not None else None


async def _problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return problems.response(error, request_id=_request_id())


async def _http_exception(_: Request, error: Exception) -> Response:
    """What Starlette's router raises: no such path, no such method."""
    if not isinstance(error, HTTPException):
        raise error
    kind = _BY_STATUS.get(error.status_code) or Kind(name="refused", status=error.status_code, title=str(error.detail))
    return problems.response(ProblemError(kind, headers=error.headers), request_id=_request_id())
