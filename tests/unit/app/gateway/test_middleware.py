"""What surrounds every request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message

from app.gateway.middleware import RequestContext


async def _ok(_: Request) -> PlainTextResponse:
    return PlainTextResponse("fine")


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("HEAD", 200), ("PUT", 405)])
def test_head_is_get(method: str, status: int) -> None:
    """BR-33: monitors and load balancers ask with HEAD. The server sees it as HEAD still, and leaves the body out."""
    inner = Starlette()
    # FastAPI's routes, unlike this one, know HEAD only where it is written.
    inner.add_route("/", _ok, methods=["GET"])
    inner.routes[0].methods = {"GET"}  # type: ignore[attr-defined]
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": method, "path": "/", "headers": [], "query_string": b""}
    asyncio.run(RequestContext(inner)(scope, receive, send))

    assert sent[0]["status"] == status
    assert scope["method"] == method
