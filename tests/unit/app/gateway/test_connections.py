"""Where the gateway finds PostgreSQL."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import psycopg
import pytest

from app.gateway.connections import Connections, addresses


def _said(*found: str) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in found]


def test_each_address_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many names as addresses, as libpq wants it: it proves each certificate by its name."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: _said("10.0.0.2", "10.0.0.1", "10.0.0.2"))
    assert addresses("pgbouncer") == {"host": "pgbouncer,pgbouncer", "hostaddr": "10.0.0.2,10.0.0.1"}


def test_python_is_asked_and_not_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Python's resolver remembers reaches psycopg: uvloop asked the DNS itself, which was silent for 16 s."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: _said("10.0.0.1"))
    asked: list[dict[str, Any]] = []

    async def connect(**arguments: Any) -> None:
        asked.append(arguments)
        raise psycopg.OperationalError

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", connect)

    async def one() -> None:
        async with Connections({"host": "pgbouncer", "port": 5432}, size=1, wait_seconds=1).one():
            pass

    with pytest.raises(psycopg.OperationalError):
        asyncio.run(one())
    assert (asked[0]["host"], asked[0]["hostaddr"], asked[0]["port"]) == ("pgbouncer", "10.0.0.1", 5432)
