"""A small pool of psycopg connections in autocommit mode: what the gateway needs of a pool, at a tenth of its price.

A request is one statement, and SQLAlchemy's pool and greenlets around it took half of the request's CPU (1.8 ms, now
0.8). psycopg's own pool waits longer and longer between its attempts to reconnect, up to a minute after an outage of a
minute; here a request that finds no connection makes one.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row

#: Requests that may wait for a connection: with a healthy server a fraction of a second's work. More are refused
#: at once, so that a frozen server does not fill the memory with bodies.
_WAITING_MAX = 500

Connection = psycopg.AsyncConnection[DictRow]


def addresses(host: str) -> dict[str, str]:
    """Each address of a host, with its name for TLS, as libpq wants them.

    uvloop would ask the DNS past app/resolver.py, which answers while the DNS is silent.

    Raises:
        OSError: the DNS does not know the name, or is silent and never said it.
    """
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    found = dict.fromkeys(str(address) for *_, (address, *_) in answers)
    return {"host": ",".join([host] * len(found)), "hostaddr": ",".join(found)}


class Connections:
    """At most `size` connections; the one used last is taken first, so that a quiet gateway keeps few of them busy."""

    def __init__(self, arguments: dict[str, Any], *, size: int, wait_seconds: float) -> None:
        """Connect lazily: the gateway starts while PostgreSQL is away."""
        self._arguments = arguments
        self._wait_seconds = wait_seconds
        self._free = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self._waiting = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Connection]:
        """Lend a connection.

        Raises:
            TimeoutError: all are in use for too long.
            psycopg.OperationalError, OSError: PostgreSQL cannot be reached.
        """
        await self._wait_for_turn()
        try:
            connection = self._idle.pop() if self._idle else await self._connect()
            try:
                yield connection
            except BaseException:
                if connection.info.transaction_status != TransactionStatus.IDLE:
                    # Its server has gone, and so has that of the others; or it was left in the middle of something.
                    await self._discard(connection)
                    raise
                self._idle.append(connection)
                raise
            self._idle.append(connection)
        finally:
            self._free.release()

    async def _wait_for_turn(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        if self._waiting >= _WAITING_MAX:
            raise TimeoutError
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._free.acquire()
        finally:
            self._waiting -= 1

    async def _connect(self) -> Connection:
        arguments = self._arguments | await asyncio.to_thread(addresses, self._arguments["host"])
        return await psycopg.AsyncConnection.connect(
            **arguments, autocommit=True, row_factory=dict_row, prepare_threshold=1
        )

    async def _discard(self, failed: Connection) -> None:
        """Close a connection after a failure, and with it all idle ones if its server has gone."""
        gone = [failed]
        if failed.closed:
            gone += self._idle
            self._idle.clear()
        for connection in gone:
            await connection.close()

    async def close(self) -> None:
        """Close what is idle; what is lent is closed with the process."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()
