"""Around every request: its ids, its log line, its metrics, and the promise that even a bug answers with a problem."""

from __future__ import annotations

import time
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import contract
from app.gateway import metrics, problems
from app.telemetry import context

log = structlog.get_logger(__name__)

#: Asked every few seconds by machines; their successes are not news.
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
#: Anything else as a label would let callers make new time series at will.
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_SERVER_ERROR = 500


class RequestContext:
    """Plain ASGI, because it runs for every request: a BaseHTTPMiddleware costs a task and a queue each time."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        # HEAD is GET without the body, which the server leaves out.
        asked = scope if scope["method"] != "HEAD" else {**scope, "method": "GET"}
        headers = {name: value for name, value in scope["headers"] if name in _OF_INTEREST}
        trace = context.bind(
            correlation_id=_text(headers.get(_REQUEST_ID)), traceparent=_text(headers.get(_TRACEPARENT))
        )
        status = 0
        # Not the time that the rest of a refused body takes: any caller could make that long.
        answered: float | None = None

        async def send_with_ids(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], time.perf_counter()
                message["headers"] = [
                    *message["headers"],
                    (_REQUEST_ID, trace.correlation_id.encode()),
                    (_TRACEPARENT, trace.traceparent.encode()),
                ]
            await send(message)

        try:
            await self._app(asked, receive, send_with_ids)
        except Exception:
            log.exception("request_failed", path=scope["path"])
            if status:
                raise  # half an answer is out already: only closing the connection says that it is not whole
            answer = problems.response(problems.ProblemError(problems.INTERNAL), request_id=trace.correlation_id)
            await answer(scope, receive, send_with_ids)
        finally:
            _observe(scope, asked.get("route"), status=status, seconds=(answered or time.perf_counter()) - started)
            context.clear()


def _observe(scope: Scope, route: Any, *, status: int, seconds: float) -> None:
    path = getattr(route, "path", "other")
    method = scope["method"] if scope["method"] in _METHODS else "other"
    metrics.REQUESTS.labels(path, method, status).inc()
    metrics.SECONDS.labels(path).observe(seconds)
    if path in _QUIET and status < _SERVER_ERROR:
        return
    log.info(
        "request",
        method=scope["method"],
        path=scope["path"],
        status=status,
        duration_ms=round(seconds * 1000, 2),
        **scope.get("state", {}).get("log", {}),
    )


_REQUEST_ID = contract.HEADER_REQUEST_ID.lower().encode()
_TRACEPARENT = contract.HEADER_TRACEPARENT.encode()
_OF_INTEREST = frozenset({_REQUEST_ID, _TRACEPARENT})


def _text(value: bytes | None) -> str | None:
    return value.decode("latin-1") if value is not None else None
