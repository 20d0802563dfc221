"""The FastAPI application: routes, what surrounds them, and what runs beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.gateway import (
    batch_uploads,
    counted_batches,
    jobs,
    openapi,
    operations,
    parameters,
    problems,
    results,
    submission,
    uploads,
)
from app.gateway.middleware import RequestContext
from app.gateway.parts import Parts
from app.gateway.problems import METHOD_NOT_ALLOWED, NOT_FOUND, Kind, ProblemError
from app.gateway.unread_bodies import UnreadBodies
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
        watchers = (parts.shedder.watch(), parts.limiter.breaker.watch(), parts.reachability.watch())
        beside = [asyncio.create_task(watcher) for watcher in watchers]
        yield
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await parts.limiter.close()
        await parts.redis_results.close()
        parts.object_store.close()
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
        responses=openapi.refusals(405, 500),
        generate_unique_id_function=lambda route: route.name,
        separate_input_output_schemas=False,  # a member with a default may be left out
    )
    app.state.parts = parts
    registry.import_tasks(parts.settings)
    tasks = registry.declarations()
    batches = (counted_batches.router, batch_uploads.router)
    routers = (jobs.router, results.router, *batches, uploads.router, operations.router)
    for router in (submission.router_of(tasks), *routers):
        app.include_router(router)
    for error in (ProblemError, RequestValidationError, HTTPException):
        app.add_exception_handler(error, _refuse)
    app.add_middleware(RequestContext)
    app.add_middleware(UnreadBodies)
    openapi.complete(app.openapi(), tasks)
    return app


async def _refuse(_: Request, error: Exception) -> Response:
    """A problem document for what our code, FastAPI's reading of parameters and Starlette's router raise."""
    match error:
        case ProblemError():
            problem = error
        case RequestValidationError():
            problem = parameters.problem(error)
        case HTTPException(status_code=status, detail=detail, headers=headers):
            kind = _BY_STATUS.get(status) or Kind(name="refused", status=status, title=str(detail))
            problem = ProblemError(kind, headers=headers)
        case _:
            raise error
    current = context.current()
    return problems.response(problem, request_id=current.correlation_id if current is not None else None)
