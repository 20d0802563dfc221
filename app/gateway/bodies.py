"""The request's body: of the one type we understand, within its bound, and in bounded time."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from app.gateway.problems import BODY_TIMEOUT, TOO_LARGE, UNSUPPORTED_TYPE, ProblemError

#: Seconds for the whole body: 32 MiB at 13 Mbit/s. Who is slower holds memory for nothing.
READ_SECONDS = 20.0
#: What is left unread must not be taken for the next request.
_CLOSE = {"Connection": "close"}


def check_headers(content_type: str | None, content_encoding: str | None) -> None:
    """Refuse what we would misread.

    Raises:
        ProblemError: 415.
    """
    media_type, _, parameters = (content_type or "").partition(";")
    if media_type.strip().lower() != "application/json":
        raise ProblemError(UNSUPPORTED_TYPE, "Send Content-Type: application/json.", headers=_CLOSE)
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in {"utf-8", "utf8"}:
            raise ProblemError(UNSUPPORTED_TYPE, "JSON is UTF-8.", headers=_CLOSE)
    # Unpacking somebody's archive is how a small request becomes a large one.
    if (content_encoding or "identity").strip().lower() not in {"identity", ""}:
        raise ProblemError(UNSUPPORTED_TYPE, "Send the body without Content-Encoding.", headers=_CLOSE)


async def read(request: Request, *, max_bytes: int) -> bytes:
    """Read the body.

    Raises:
        ProblemError: 413 as soon as it is known to be too long, 408 where it does not come.
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
                parts.append(part)
    except TimeoutError:
        raise ProblemError(BODY_TIMEOUT, headers=_CLOSE) from None
    except ClientDisconnect:
        raise ProblemError(BODY_TIMEOUT, "The connection was closed.", headers=_CLOSE) from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(max_bytes: int) -> ProblemError:
    return ProblemError(TOO_LARGE, f"At most {max_bytes} bytes are allowed.", headers=_CLOSE)
