"""The request's body: of the one type we understand, within its bound, in bounded time, and not too many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect, Request

from app.gateway import metrics
from app.gateway.problems import BODY_TIMEOUT, OVERLOADED, TOO_LARGE, UNSUPPORTED_TYPE, ProblemError, retry_after

#: Seconds for the whole body: 32 MiB at 13 Mbit/s. A slower client would hold memory for nothing.
READ_SECONDS = 20.0
#: Bodies above this leave a part of the memory to the others: long lists must not keep single events out.
_SMALL_BYTES = 256 * 1024
_SHARE_OF_LARGE = 0.75
#: A body is there twice: as it came, and as messages, which are about as long.
_COPIES = 2
_RETRY_SECONDS = 2.0


class BodyMemory:
    """The bytes of all bodies and their messages that are read or worked on at this moment."""

    def __init__(self, max_bytes: int) -> None:
        """Nothing is there yet."""
        self._max_bytes = max_bytes
        self._large_max_bytes = int(max_bytes * _SHARE_OF_LARGE)
        self.used_bytes = 0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """One request's share; it is given back at the end of the block."""
        own = Share(self)
        try:
            yield own
        finally:
            self._use(-own.bytes)

    def take(self, more_bytes: int, *, already_bytes: int) -> None:
        """Give a request more.

        Raises:
            ProblemError: 503 where others use it, 413 where one request alone would need too much.
        """
        total = already_bytes + more_bytes
        if total > self._large_max_bytes:
            raise ProblemError(TOO_LARGE, "Its messages would be too long: send shorter lists.")
        limit = self._max_bytes if total <= _COPIES * _SMALL_BYTES else self._large_max_bytes
        if self.used_bytes + more_bytes > limit:
            metrics.BODIES_REFUSED.inc()
            detail = "The bodies of other requests fill the memory."
            raise ProblemError(OVERLOADED, detail, headers=retry_after(_RETRY_SECONDS))
        self._use(more_bytes)

    def _use(self, more_bytes: int) -> None:
        self.used_bytes += more_bytes
        metrics.BODIES_BYTES.set(self.used_bytes)


class Share:
    """What one request uses."""

    def __init__(self, memory: BodyMemory) -> None:
        """Nothing yet."""
        self._memory = memory
        self._body_bytes = 0
        self.bytes = 0

    def read(self, body_bytes: int) -> None:
        """So much more of the body was read."""
        self._grow(_COPIES * body_bytes)
        self._body_bytes += body_bytes

    def built(self, message_bytes: int) -> None:
        """The messages are so long: an escape may need six times the bytes of its character."""
        self._grow(max(0, self._body_bytes + message_bytes - self.bytes))

    def _grow(self, more_bytes: int) -> None:
        self._memory.take(more_bytes, already_bytes=self.bytes)
        self.bytes += more_bytes


def check_headers(content_type: str | None, content_encoding: str | None) -> None:
    """Refuse what we would misread.

    Raises:
        ProblemError: 415.
    """
    media_type, _, parameters = (content_type or "").partition(";")
    if media_type.strip().lower() != "application/json":
        raise ProblemError(UNSUPPORTED_TYPE, "Send Content-Type: application/json.")
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in {"utf-8", "utf8"}:
            raise ProblemError(UNSUPPORTED_TYPE, "JSON is UTF-8.")
    # Unpacking somebody's archive is how a small request becomes a large one.
    if (content_encoding or "identity").strip().lower() not in {"identity", ""}:
        raise ProblemError(UNSUPPORTED_TYPE, "Send the body without Content-Encoding.")


async def read(request: Request, share: Share, *, max_bytes: int) -> bytes:
    """Read the body.

    Raises:
        ProblemError: 413 as soon as it is known to be too long, 408 where it does not come, 503 where others fill
            the memory.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                share.read(len(part))
                parts.append(part)
    except TimeoutError:
        raise ProblemError(BODY_TIMEOUT) from None
    except ClientDisconnect:
        raise ProblemError(BODY_TIMEOUT, "The connection was closed.") from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(max_bytes: int) -> ProblemError:
    return ProblemError(TOO_LARGE, f"At most {max_bytes} bytes are allowed.")
