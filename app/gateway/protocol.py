"""uvicorn's HTTP, with bounds on what comes before the application is asked: nobody needs a key to get that far.

httptools bounds neither the request line nor the headers: one value of 60 MB took 35 s of the event loop (BR-04).
uvicorn waits for ever for the end of the headers, and takes any number of connections (BR-25).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.gateway import metrics, problems
from app.gateway.problems import HEAD_TOO_LARGE, MALFORMED, Kind

log = structlog.get_logger(__name__)

#: What a parser gets at once while it reads headers: its work on a header that comes in pieces grows with their number
#: and their length.
_PIECE_BYTES = 64 * 1024
_LINE_BYTES = len(": \r\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a connection may cost before its first request is whole."""

    head_max_bytes: int
    head_seconds: float
    connections: int


def bounded(bounds: Bounds) -> type[HttpToolsProtocol]:
    """The protocol class for uvicorn, which makes the instances."""
    return type("Protocol", (BoundedProtocol,), {"bounds": bounds})


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    bounds: Bounds

    def __init__(self, *args: Any, **options: Any) -> None:
        """Nothing was received."""
        super().__init__(*args, **options)
        self._between_requests = True
        #: Received since the parser last made something of it: headers, trailers or chunk sizes that have no end yet.
        self._pending_bytes = 0
        self._progress = False
        self._head_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Take a connection, or close it at once."""
        full = len(self.connections) >= self.bounds.connections
        super().connection_made(transport)
        if full:
            self._refuse("too_many")
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser piece by piece, and count what it makes nothing of."""
        for start in range(0, len(data), _PIECE_BYTES):
            if self.transport.is_closing():
                return
            piece = data[start : start + _PIECE_BYTES]
            if self._between_requests and self._head_deadline is None:
                self._expect_head()
            self._progress = False
            super().data_received(piece)
            self._pending_bytes = 0 if self._progress else self._pending_bytes + len(piece)
            if self._pending_bytes > self.bounds.head_max_bytes:
                self._head_too_large()

    def on_headers_complete(self) -> None:
        """The headers are whole; those that came in one piece were not counted yet."""
        self._progress, self._between_requests = True, False
        self._stop_waiting()
        lines = (len(name) + len(value) + _LINE_BYTES for name, value in self.headers)
        if len(self.url) + sum(lines) > self.bounds.head_max_bytes:
            self._head_too_large()
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Part of a body, unless its request was refused."""
        self._progress = True
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole, unless it was refused."""
        self._progress, self._between_requests = True, True
        if not self.transport.is_closing():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Answered, maybe before the body was whole: then its rest must come soon, and a next request as well."""
        super().on_response_complete()
        if self.transport.is_closing():
            # Under TLS the connection stays for half a minute if the other side does not close it.
            self._stop_waiting()
            self._head_deadline = self.loop.call_later(self.bounds.head_seconds, self.transport.abort)
        elif self.cycle.response_complete and not self._between_requests:
            self._expect_head()

    def send_400_response(self, msg: str) -> None:
        """The answer to what the parser refuses, for which there is no request (BR-37)."""
        self._answer(MALFORMED, "malformed", detail=msg)

    def _expect_head(self) -> None:
        self._stop_waiting()
        self._head_deadline = self.loop.call_later(self.bounds.head_seconds, self._head_late)

    def _stop_waiting(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _head_late(self) -> None:
        self._head_deadline = None
        self._refuse("no_request")

    def _head_too_large(self) -> None:
        detail = f"At most {self.bounds.head_max_bytes} bytes are allowed."
        self._answer(HEAD_TOO_LARGE, "head_too_large", detail=detail)

    def _answer(self, kind: Kind, reason: str, *, detail: str) -> None:
        """Write a problem document and close; not into the middle of an earlier request's answer."""
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            body = orjson.dumps(problems.document(kind, detail=detail))
            head = f"content-type: {problems.MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[kind.status] + head.encode() + body)
        self._refuse(reason, answered=True)

    def _refuse(self, reason: str, *, answered: bool = False) -> None:
        """Close at once, unless an answer is on its way: under TLS `close` waits half a minute for the other side."""
        if self.transport.is_closing():
            return
        metrics.CONNECTIONS_REFUSED.labels(reason).inc()
        log.debug("connection_refused", reason=reason, client=self.client[0] if self.client else None)
        if answered or self.transport.get_write_buffer_size():
            self.transport.close()
        else:
            self.transport.abort()
