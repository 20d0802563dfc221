"""Answers that come before their request's body was read: the caller must get all of such an answer.

A proxy that is still sending a body may give the answer up when it comes (Go's, and so Skipper). So the rest of a short
body is read before the answer begins, and thrown away. A longer one gets `Connection: close`: the caller may stop, and
TLS takes what still comes until the connection ends (`protocol.py` bounds the time).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: At most so much of a body is read before the answer, for at most so long. Most refused bodies are single items.
READ_MAX_BYTES, READ_SECONDS = 64 * 1024, 1.0
_CLOSE = (b"connection", b"close")


class UnreadBodies:
    """Plain ASGI, outside of everything else."""

    def __init__(self, app: ASGIApp, *, read_seconds: float = READ_SECONDS) -> None:
        """Wrap the application."""
        self._app = app
        self._read_seconds = read_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not (body := _Body(scope, receive)).expected:
            await self._app(scope, receive, send)
            return

        async def send_after_body(message: Message) -> None:
            if message["type"] == "http.response.start" and not await body.read_rest(self._read_seconds):
                message["headers"] = [*message["headers"], _CLOSE]
            await send(message)

        await self._app(scope, body.receive, send_after_body)


class _Body:
    """A request's body, as far as it was read."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = dict(scope["headers"])
        self._receive = receive
        self._length = headers.get(b"content-length", b"")
        #: The first `receive` asks such a client for the body.
        self._waits_to_be_asked = headers.get(b"expect", b"").lower() == b"100-continue"
        self._ended = False
        self.expected = b"transfer-encoding" in headers or self._length not in {b"", b"0"}

    async def receive(self) -> Message:
        """The next part, as the server gives it."""
        self._waits_to_be_asked = False
        message = await self._receive()
        self._ended = not message.get("more_body", False)  # also if the connection was closed
        return message

    async def read_rest(self, seconds: float) -> bool:
        """Read the rest if it is short and comes soon; returns whether nothing is left."""
        too_long = self._length.isdigit() and int(self._length) > READ_MAX_BYTES
        read_bytes = 0
        if not (too_long or self._waits_to_be_asked):
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while not self._ended and read_bytes < READ_MAX_BYTES:
                        read_bytes += len((await self.receive()).get("body", b""))
        return self._ended
