"""docs/patterns/uploads.md: content is stored whole and once under its hash, whichever process dies."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from app import contract
from tests.harness.stack import Stack
from tests.harness.waiting import eventually
from tests.proofs.patterns_uploads.contents import (
    UPLOADS,
    count_words,
    counted,
    damage,
    is_there,
    key_of,
    noise,
    refused,
    run_program,
    text,
    uploaded,
    wait_counted,
)  # fmt: skip

_MIB = 1024 * 1024


def _stored_once(stack: Stack, content: bytes) -> None:
    """Upload a content six times at once; check that one of them stored it."""

    def one(_: int) -> bool:
        with stack.http() as client:
            return bool(uploaded(client, content)["stored"])

    with ThreadPoolExecutor(max_workers=2) as pool:
        stored = sorted(pool.map(one, range(6)))
    assert stored == [False] * 5 + [True]


def test_the_same_content_is_stored_once(single: Stack, client: httpx.Client) -> None:
    """Uploads at once and later store it once. It can be found then; content that was not uploaded cannot."""
    content = noise(3 * _MIB + 17)
    _stored_once(single, content)
    assert uploaded(client, content)["stored"] is False
    found = client.get(f"{UPLOADS}/{key_of(content)}")
    assert found.json() == {"key": key_of(content), "bytes": len(content), "stored": False}
    assert client.head(f"{UPLOADS}/{key_of(content)}").status_code == 200
    refused(client.get(f"{UPLOADS}/{'0' * 64}"), 404, "not-found")
    assert uploaded(client, b"")["bytes"] == 0


def test_a_gateway_that_stores_twice_is_seen(single: Stack) -> None:
    """A planted bug (tests/mutants): the gateway neither asks S3 first nor sends If-None-Match."""
    run_program(single, "gateway", "store_again")
    with pytest.raises(AssertionError):
        _stored_once(single, noise(_MIB))


def test_wrong_requests_are_told(single: Stack) -> None:
    """The body is too long, with and without a length; the name is no hash; the API key is wrong."""
    single.ensure("gateway", MILLRACE_UPLOAD_MAX_BYTES=str(_MIB))

    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield noise(64 * 1024)

    with single.http() as fresh:
        for content in (noise(_MIB + 1), endless()):
            refused(fresh.post(UPLOADS, content=content), 413, "body-too-large")
        refused(fresh.get(f"{UPLOADS}/readme.txt"), 422, "invalid-request")
        refused(fresh.post(UPLOADS, content=b"x", headers={contract.HEADER_API_KEY: "no"}), 401, "unauthorized")


def test_half_a_body_is_not_stored(single: Stack, client: httpx.Client) -> None:
    """A connection that ends early, with a length and in chunks, stores nothing under any name."""
    half = noise(1000)
    before = single.query("SELECT count(*) FROM objects")
    for head, body in (
        ("Content-Length: 2000", half),
        ("Transfer-Encoding: chunked", b"3e8\r\n" + half + b"\r\n"),
    ):
        _send_and_hang_up(single, head, body)
    assert uploaded(client, noise(100))["stored"] is True, "the gateway goes on"
    assert not is_there(single, key_of(half))
    assert single.query("SELECT count(*) FROM objects") == [(before[0][0] + 1,)]


def _send_and_hang_up(stack: Stack, head: str, body: bytes) -> None:
    context = ssl.create_default_context(cafile=str(stack.ca_file))
    address = ("127.0.0.1", stack.port("gateway", contract.PORT_GATEWAY))
    with (
        socket.create_connection(address, timeout=60) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        lines = (f"POST {UPLOADS} HTTP/1.1", "Host: localhost", f"{contract.HEADER_API_KEY}: {stack.api_key}", head)
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(60)
        while connection.recv(4096):
            pass


def test_a_gateway_killed_in_the_middle(single: Stack, client: httpx.Client) -> None:
    """Nothing is stored, nothing is left in the spool, and the same upload again succeeds."""
    content = noise(2 * _MIB)

    def dying() -> Iterator[bytes]:
        yield content[:_MIB]
        single.machines["gateway"].kill()
        yield content[_MIB:]

    with pytest.raises(httpx.TransportError):
        client.post(UPLOADS, content=dying())
    assert not is_there(single, key_of(content))
    single.machines["gateway"].start_again()
    single.wait("gateway")
    with single.http() as again:
        assert uploaded(again, content)["stored"] is True
    assert single.machines["gateway"].execute("ls", "-A", "/var/spool/millrace") == ""


def test_s3_away(single: Stack, client: httpx.Client) -> None:
    """Uploads are refused and may be repeated; tasks wait and spend no attempt; a restart loses nothing."""
    content, other = text(), text()
    key = uploaded(client, content)["key"]
    single.machines["objectstore"].kill()
    answer = client.post(UPLOADS, content=other)
    refused(answer, 503, "object-store-unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    document = count_words(client, key)
    worker = single.machines["worker-interactive"]
    eventually(lambda: "task_parked" in worker.logs() or counted(single, document), what="the task found S3 away")
    assert counted(single, document) == []
    single.machines["objectstore"].start_again()
    single.wait("objectstore")
    assert wait_counted(single, document) == [(2, 4)]
    assert single.query("SELECT count(*) FROM task_failures") == [(0,)]
    assert uploaded(client, content)["stored"] is False, "it kept its data"
    assert uploaded(client, other)["stored"] is True


def _damaged_is_noticed(stack: Stack, client: httpx.Client) -> str:
    """Damage content; check that the task that reads it stores nothing and dies with its reason."""
    key = uploaded(client, text())["key"]
    damage(stack, key)
    document = count_words(client, key)
    letters = "SELECT exception_type FROM dead_letters WHERE task_name = 'count_words'"
    eventually(lambda: stack.query(letters) or counted(stack, document), what="the task has ended")
    assert stack.query(letters) == [("ObjectDamagedError",)]
    assert counted(stack, document) == []
    return document


def test_damaged_content_is_noticed(single: Stack, client: httpx.Client) -> None:
    """The item becomes a dead letter at once; so it does if the content is missing."""
    _damaged_is_noticed(single, client)
    count_words(client, "0" * 64)
    missing = "SELECT 1 FROM dead_letters WHERE exception_type = 'ObjectMissingError'"
    eventually(lambda: single.query(missing), what="a missing content is told")


def test_a_worker_that_does_not_check_is_seen(single: Stack, client: httpx.Client) -> None:
    """A planted bug (tests/mutants): the worker counts the damaged content."""
    run_program(single, "worker-interactive", "unchecked_content")
    with pytest.raises(AssertionError):
        _damaged_is_noticed(single, client)
