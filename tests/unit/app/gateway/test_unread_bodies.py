"""A request is refused before its body was read: the whole answer arrives, over real sockets and TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from contextlib import suppress
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from app.gateway.unread_bodies import UnreadBodies
from tests.unit.app.gateway.test_protocol import (
    CHUNKED,
    GET,
    PATIENCE_SECONDS,
    Connect,
    answer,
    answer_to_the_next,
    send,
    serve,
    tls_contexts,
)

LONG_BYTES = 200 * 1024
PIECE_BYTES = 4 * 1024


async def _refuse(_: Request) -> PlainTextResponse:
    return PlainTextResponse("refused" * 1000, status_code=401)


_ROUTES = [Route("/", _refuse, methods=["GET", "POST"])]
#: A planted bug: nobody reads what the routes leave unread.
PLANTED = Starlette(routes=_ROUTES)


def gateway(*, read_seconds: float = PATIENCE_SECONDS) -> ASGIApp:
    """Routes that refuse without a look at the body."""
    return Starlette(routes=_ROUTES, middleware=[Middleware(UnreadBodies, read_seconds=read_seconds)])


def post(body_bytes: int, *, more: str = "") -> bytes:
    """The head of a request with a body of this length."""
    return f"POST / HTTP/1.1\r\nHost: x\r\n{more}Content-Length: {body_bytes}\r\n\r\n".encode()


def _all_of(plain: socket.socket, client: ssl.SSLContext, head: bytes) -> bytes:
    """Send a long body slowly, as a proxy passes it on, then look for the answer. An error is a lost answer."""
    with client.wrap_socket(plain, server_hostname="localhost") as session:
        session.settimeout(PATIENCE_SECONDS)
        try:
            session.sendall(head)
            for _ in range(LONG_BYTES // PIECE_BYTES):
                session.sendall(b"x" * PIECE_BYTES)
                time.sleep(0.002)  # slow, so that the answer comes in the middle
            return b"".join(iter(lambda: session.recv(65536), b""))
        except OSError:
            return b""


def _got(app: ASGIApp, folder: Path, head: bytes) -> bytes:
    got = b""
    tls, client = tls_contexts(folder)

    async def scenario(connect: Connect) -> None:
        nonlocal got
        plain = await asyncio.to_thread(socket.create_connection, connect.address)
        got = await asyncio.to_thread(_all_of, plain, client, head)

    serve(scenario, tls=tls, app=app)
    return got


def test_a_long_body_gets_the_whole_answer(tmp_path: Path) -> None:
    """The caller may stop sending, and if it does not, its answer is not lost."""
    head, _, body = _got(gateway(), tmp_path, post(LONG_BYTES)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in head
    assert body == b"refused" * 1000


def _answered_early(app: ASGIApp, *, within: float) -> bool:
    """Whether a short body is answered before it was sent; then a proxy may lose the answer."""
    early = False

    async def scenario(connect: Connect) -> None:
        nonlocal early
        reader, writer = await connect()
        await send(writer, post(5000) + b"x")
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await reader.readexactly(1)
                early = True
        await send(writer, b"x" * 4999)
        assert b"connection: close" not in await answer(reader)
        await send(writer, GET + b"\r\n")
        assert b" 401 " in await answer(reader), "the connection can be used again"

    serve(scenario, app=app)
    return early


def test_a_short_body_is_read_before_the_answer() -> None:
    """No proxy is interrupted while it sends one."""
    assert not _answered_early(gateway(), within=0.2)


def test_without_that_the_answer_comes_early() -> None:
    """A planted bug: the answer comes while the proxy sends."""
    assert _answered_early(PLANTED, within=PATIENCE_SECONDS)


def test_a_chunked_body_is_read_to_its_end() -> None:
    """Its length is not known before."""

    async def scenario(connect: Connect) -> None:
        reader, writer = await connect()
        await send(writer, CHUNKED + b"1\r\nx\r\n")
        await send(writer, b"0\r\n\r\n")
        assert b"connection: close" not in await answer(reader)

    serve(scenario, app=gateway())


@pytest.mark.parametrize("sent", [post(100) + b"x", CHUNKED + b"20000\r\n" + b"x" * 0x20000 + b"\r\n"])
def test_what_does_not_come_or_does_not_end_is_not_waited_for(sent: bytes) -> None:
    """The caller gets the answer, and the connection is closed."""

    async def scenario(connect: Connect) -> None:
        reader, writer = await connect()
        await send(writer, sent)
        got = await answer(reader)
        assert got.startswith(b"HTTP/1.1 401 ")
        assert b"connection: close" in got

    serve(scenario, app=gateway(read_seconds=0.2))


def test_who_asks_first_is_not_asked_for_the_body() -> None:
    """`Expect: 100-continue` gets the refusal at once."""

    async def scenario(connect: Connect) -> None:
        reader, writer = await connect()
        await send(writer, post(100, more="Expect: 100-continue\r\n"))
        assert (await answer(reader)).startswith(b"HTTP/1.1 401 ")

    serve(scenario, app=gateway())


def test_a_refused_caller_who_stays_is_closed_under_tls(tmp_path: Path) -> None:
    """BR-25: it had its place for half a minute more, because the server waited for its goodbye."""
    tls, client = tls_contexts(tmp_path)

    def refused(plain: socket.socket) -> ssl.SSLSocket:
        session = client.wrap_socket(plain, server_hostname="localhost")
        session.sendall(post(LONG_BYTES))
        assert session.recv(12) == b"HTTP/1.1 401"
        return session

    async def scenario(connect: Connect) -> None:
        plain = await asyncio.to_thread(socket.create_connection, connect.address)
        with await asyncio.to_thread(refused, plain):
            assert b" 401 " in await answer_to_the_next(connect, client)

    serve(scenario, tls=tls, app=gateway(), connections=1, head_seconds=0.2)
