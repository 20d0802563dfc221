"""No request takes more than its share of the gateway, over the real server and its TLS."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from app import contract
from tests.harness.messages import event
from tests.harness.stack import Stack
from tests.harness.stacks import healed
from tests.harness.waiting import eventually

_MIB = 1024 * 1024
#: A connection that the gateway closes may say so or not.
_CLOSED = (httpx.TransportError,)
_JSON = {"Content-Type": "application/json"}


@contextmanager
def _session(stack: Stack) -> Iterator[ssl.SSLSocket]:
    """A connection to the gateway, below HTTP."""
    context = ssl.create_default_context(cafile=str(stack.ca_file))
    port = stack.port("gateway", contract.PORT_GATEWAY)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as session,
    ):
        yield session


def _answer(session: ssl.SSLSocket, request: bytes) -> bytes:
    """What is said before the connection is closed; nothing where that comes first."""
    try:
        session.sendall(request)
        return b"".join(iter(lambda: session.recv(65536), b""))
    except OSError:
        return b""


def test_one_request_cannot_end_the_gateway(single: Stack) -> None:
    """BR-03: 12 MB of unknown names, and 8 MB of texts that cannot be stored, were the end of the process."""
    names = "{" + ",".join(f'"k{number}":1' for number in range(1_000_000)) + "}"
    nul = json.dumps(event()).replace('"amount"', '"a":[' + ",".join(['"\\u0000"'] * 10_000) + '],"amount"')
    before = single.machines["gateway"].docker.attrs["State"]["StartedAt"]
    with single.http(headers=_JSON) as client:
        for body in (names, "[" + ",".join([nul] * 100) + "]"):
            answer = client.post("/v1/events", content=body.encode())
            assert answer.status_code == 422
            assert 1 <= len(answer.json()["errors"]) <= 20
            assert len(answer.content) < 20_000
        assert client.post("/v1/events", json=event()).status_code == 202
        assert client.head("/healthz").status_code == 200, "BR-33"
    state = single.machines["gateway"].state
    assert (state["OOMKilled"], state["StartedAt"]) == (False, before)


def test_what_comes_before_a_request_is_bounded(single: Stack) -> None:
    """BR-04, BR-37: headers without end are refused, and what is no HTTP gets a problem document."""
    with _session(single) as session:
        got = _answer(session, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 10 * _MIB)
        assert not got or got.startswith(b"HTTP/1.1 431 ")
    with _session(single) as session:
        got = _answer(session, b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n")
        assert got.startswith(b"HTTP/1.1 400 ")
        assert b"application/problem+json" in got


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (f"POST /v1/events HTTP/1.1\r\n{contract.HEADER_API_KEY}: no", 401),
        ("POST /v1/nothing HTTP/1.1\r\nHost: x", 404),
        ("DELETE /v1/events HTTP/1.1\r\nHost: x", 405),
        (f"POST /v1/events HTTP/1.1\r\n{contract.HEADER_API_KEY}: {{key}}", 415),
    ],
)
@pytest.mark.parametrize("body_bytes", [1000, 200 * 1024])
def test_a_refused_caller_gets_the_whole_answer(single: Stack, request_: str, status: int, body_bytes: int) -> None:
    """It sends a body slowly, as a proxy passes it on, and looks for the answer after that."""
    head = request_.replace("{key}", single.api_key) + f"\r\nContent-Length: {body_bytes}\r\n\r\n"
    with _session(single) as session:
        session.sendall(head.encode())
        for _ in range(body_bytes // 500):
            session.sendall(b"x" * 500)
        session.sendall(b"x" * (body_bytes % 500))
        got = b""
        while not got.endswith(b"}"):
            got += session.recv(65536) or b"}"
    assert got.startswith(f"HTTP/1.1 {status} ".encode())
    assert json.loads(got.partition(b"\r\n\r\n")[2])["status"] == status


@pytest.fixture(scope="module")
def strict(_single: Stack) -> Stack:
    """A gateway with low bounds."""
    healed(_single).ensure(
        "gateway",
        MILLRACE_CONNECTIONS_MAX="8", MILLRACE_REQUEST_HEAD_SECONDS="10",
        MILLRACE_REQUEST_MAX_BYTES=str(2 * _MIB), MILLRACE_BODIES_MAX_BYTES=str(6 * _MIB),
    )  # fmt: skip
    return _single


def test_body_larger_than_the_bound(strict: Stack) -> None:
    """A body above the bound is 413, without being read to its end."""
    with strict.http() as client:
        answer = client.post("/v1/events", json=[event(padding="x" * 100_000) for _ in range(22)])
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"
        assert client.post("/v1/events", json=event()).status_code == 202


def test_connections_are_bounded(strict: Stack) -> None:
    """BR-25: of what says nothing or stays, so many are kept for so long; then others are served again."""
    with ExitStack() as stack:
        held = [stack.enter_context(_session(strict)) for _ in range(8)]
        assert _answer(held[0], b"GET / HT") == b""
        with strict.http() as client:
            eventually(
                lambda: client.post("/v1/events", json=event()).status_code == 202,
                what="others are served", tolerate=_CLOSED,
            )  # fmt: skip


def _held_bytes(client: httpx.Client) -> float:
    (shown,) = re.findall(rf"^{contract.METRIC_BODIES_BYTES} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return float(shown)


def test_bodies_at_once_are_bounded(strict: Stack) -> None:
    """A13: a client that sends a part of a large body and stops holds its share; single events pass it by."""
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\n{contract.HEADER_API_KEY}: {strict.api_key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {2 * _MIB}\r\n\r\n["
    ).encode()
    body = json.dumps([event(padding="x" * 100_000) for _ in range(15)])
    with strict.http(headers=_JSON) as client, _session(strict) as waiting:
        waiting.sendall(head + b" " * int(1.9 * _MIB))
        eventually(lambda: _held_bytes(client) > 3.5 * _MIB, what="the gateway holds the body that does not end")
        answer = client.post("/v1/events", content=body.encode())
        assert (answer.status_code, answer.json()["type"]) == (503, f"{contract.PROBLEM_TYPE_PREFIX}overloaded")
        assert client.post("/v1/events", json=event()).status_code == 202
    with strict.http(headers=_JSON) as client:
        eventually(
            lambda: client.post("/v1/events", content=body.encode()).status_code == 202,
            what="a large body is accepted again", tolerate=_CLOSED,
        )  # fmt: skip
