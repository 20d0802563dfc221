"""What a connection may cost before the application is asked, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from app.gateway.protocol import Bounds, bounded
from infra.local import certificates

PATIENCE_SECONDS = 120
GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Connect:
    """Opens connections to the server of a scenario."""

    address: tuple[str, int]
    opened: list[Streams] = field(default_factory=list)

    async def __call__(self, **options: Any) -> Streams:
        """One more."""
        self.opened.append(await asyncio.open_connection(*self.address, **options))
        return self.opened[-1]


async def _echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{len(await request.body())} bytes")


def serve(
    scenario: Callable[[Connect], Coroutine[Any, Any, None]],
    *,
    tls: ssl.SSLContext | None = None,
    app: ASGIApp | None = None,
    **bounds: Any,
) -> None:
    """Run a scenario against a server with these bounds."""
    app = app or Starlette(routes=[Route("/", _echo, methods=["GET", "POST"])])

    async def run() -> None:
        config = uvicorn.Config(app, log_config=None)
        config.load()
        chosen = Bounds(**({"head_max_bytes": 32_768, "head_seconds": 60.0, "connections": 10} | bounds))
        state = ServerState()
        made = bounded(chosen)
        server = await asyncio.get_running_loop().create_server(
            lambda: made(config=config, server_state=state, app_state={}), "127.0.0.1", ssl=tls
        )
        connect = Connect(server.sockets[0].getsockname())
        async with asyncio.timeout(PATIENCE_SECONDS), server:
            await scenario(connect)
            for _, writer in connect.opened:
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()

    uvloop.run(run())  # as the gateway runs


def tls_contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a server and of its clients."""
    authority = certificates.make_authority()
    leaf = certificates.make_leaf(authority, ["localhost"])
    for name, content in (("ca.crt", authority.certificate), ("tls.crt", leaf.certificate), ("tls.key", leaf.key)):
        (folder / name).write_bytes(content)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    client = ssl.create_default_context(cafile=folder / "ca.crt")
    return server, client


async def send(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Send as far as the other side takes it."""
    with suppress(ConnectionError):
        writer.write(data)
        await writer.drain()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Everything until the other side closes."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def answer(reader: asyncio.StreamReader) -> bytes:
    """One answer of a connection that stays open."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head + await reader.readexactly(length)


@pytest.mark.parametrize(
    "request_",
    [
        GET + b"X-A: " + b"a" * 2_000_000,
        GET + b"X-A: " + b"a" * 40_000 + b"\r\n\r\n",
        GET + b"X-A: b\r\n" * 300_000,
        GET + b"X-A: b\r\n" * 7_000 + b"\r\n",
        b"GET /?" + b"a" * 2_000_000,
        CHUNKED + b"0\r\nX-A: " + b"a" * 2_000_000,
        CHUNKED + b"0\r\n" + b"X-A: b\r\n" * 300_000,
        CHUNKED + b"1;" + b"a" * 2_000_000,
    ],
    ids=["value", "whole value", "headers", "whole headers", "url", "trailer", "trailers", "chunk extension"],
)
def test_what_has_no_bound_in_http_has_one_here(request_: bytes) -> None:
    """BR-04: the connection is closed, with 431 if anything, and no request was served."""

    async def scenario(connect: Connect) -> None:
        reader, writer = await connect()
        await send(writer, request_)
        got = await rest(reader)
        assert b" 200 " not in got
        assert got.startswith(b"HTTP/1.1 431 ") or not got

    serve(scenario)


def test_requests_as_they_are_meant_are_served() -> None:
    """One after the other on one connection, pipelined, chunked, and with a body much longer than headers may be."""

    async def scenario(connect: Connect) -> None:
        reader, writer = await connect()
        await send(writer, GET + b"X-A: " + b"a" * 30_000 + b"\r\n\r\n")
        assert b"0 bytes" in await answer(reader)
        await send(writer, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000)
        assert b"1000000 bytes" in await answer(reader)
        await send(writer, CHUNKED + b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n")
        assert b"20000 bytes" in await answer(reader)
        await send(writer, (GET + b"\r\n") * 3)
        for _ in range(3):
            assert b"0 bytes" in await answer(reader)

    serve(scenario)


@pytest.mark.parametrize("sent", [b"", b"G", GET], ids=["nothing", "a letter", "half"])
def test_a_request_that_does_not_come_is_not_waited_for(sent: bytes) -> None:
    """BR-25: however little of a request there is, its connection is closed after a while."""

    async def scenario(connect: Connect) -> None:
        reader, writer = await connect()
        await send(writer, sent)
        assert await rest(reader) == b""

    serve(scenario, head_seconds=0.2)


def test_the_second_request_of_a_connection_must_come_as_well() -> None:
    """BR-25: one good request buys no right to stay for ever."""

    async def scenario(connect: Connect) -> None:
        reader, writer = await connect()
        await send(writer, GET + b"\r\n")
        assert b"0 bytes" in await answer(reader)
        await send(writer, GET)
        assert await rest(reader) == b""

    serve(scenario, head_seconds=0.2)


@pytest.mark.parametrize("more", [b"", b"x", b"x" * 99, b"x" * 99 + b"GET"])
def test_a_refused_body_must_come_to_an_end(more: bytes) -> None:
    """BR-25: who was answered before his body was whole has no right to drip the rest for ever."""

    async def scenario(connect: Connect) -> None:
        reader, writer = await connect()
        await send(writer, b"POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")
        assert b" 404 " in await answer(reader)
        await send(writer, more)
        assert await rest(reader) == b""

    serve(scenario, head_seconds=0.5)


def test_there_are_only_so_many_connections() -> None:
    """BR-25: one more is closed; when another leaves there is room again."""

    async def scenario(connect: Connect) -> None:
        held = [await connect() for _ in range(2)]
        for reader, writer in held:
            await send(writer, GET + b"\r\n")
            await answer(reader)
        reader, _ = await connect()
        assert await rest(reader) == b""
        held[0][1].close()
        await held[0][1].wait_closed()
        got = b""
        while not got:  # the server learns of it a moment later
            reader, writer = await connect()
            await send(writer, GET + b"Connection: close\r\n\r\n")
            got = await rest(reader)
        assert b" 200 " in got

    serve(scenario, connections=2)


async def answer_to_the_next(connect: Connect, client: ssl.SSLContext) -> bytes:
    """What the next caller gets, as soon as the one before has left its place."""
    got = b""
    while not got:
        with suppress(ConnectionError):
            reader, writer = await connect(ssl=client, server_hostname="localhost")
            await send(writer, GET + b"Connection: close\r\n\r\n")
            got = await rest(reader)
    return got


def test_a_silent_client_leaves_at_once_under_tls(tmp_path: Path) -> None:
    """BR-25: a silent client held its place for 30 s more, because the server waited for its goodbye."""
    server, client = tls_contexts(tmp_path)

    def shaken(plain: socket.socket) -> ssl.SSLSocket:
        return client.wrap_socket(plain, server_hostname="localhost")

    async def scenario(connect: Connect) -> None:
        plain = await asyncio.to_thread(socket.create_connection, connect.address)
        with await asyncio.to_thread(shaken, plain):
            assert b" 200 " in await answer_to_the_next(connect, client)

    serve(scenario, tls=server, connections=1, head_seconds=0.2)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"GET  HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_problem_document(request_: bytes) -> None:
    """BR-37: uvicorn's own answer would be plain text."""

    async def scenario(connect: Connect) -> None:
        reader, writer = await connect()
        await send(writer, request_)
        head, _, body = (await rest(reader)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"content-type: application/problem+json" in head
        assert json.loads(body)["type"] == "urn:millrace:problem:malformed-request"

    serve(scenario)
