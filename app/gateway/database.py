"""One way to ask PostgreSQL, bounded in time: it answers, or the request ends with a 503 that says what is known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg
import structlog

from app.gateway.connections import Connection, Connections
from app.gateway.problems import OUTCOME_UNKNOWN, UNAVAILABLE, Kind, ProblemError, retry_after
from app.settings import Settings
from app.storage.engine import connect_arguments

log = structlog.get_logger(__name__)
_Answer = TypeVar("_Answer")

#: Seconds that a caller waits at most, connecting included. The statement's own timeout is longer on purpose: it is for
#: statements of a healthy server, this one is for a server that is frozen and never says anything.
DEADLINE_SECONDS = 5.0
#: Seconds after which a refused caller should come again.
_RETRY_SECONDS = 2.0
#: What PostgreSQL or the way to it may do to us. Anything else that psycopg raises is a bug of ours.
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError, OSError)


class Database:
    """The gateway's connections; each statement commits by itself."""

    def __init__(self, settings: Settings) -> None:
        """Connect lazily: the gateway starts while PostgreSQL is away."""
        self._connections = Connections(
            connect_arguments(settings),
            size=settings.postgresql_pool_size,
            wait_seconds=settings.postgresql_connect_timeout_seconds,
        )

    async def run(self, work: Callable[[Connection], Awaitable[_Answer]], *, writes: bool = False) -> _Answer:
        """Run `work` with a connection.

        Raises:
            ProblemError: 503, bounded in time. For writes the outcome is unknown once a connection was there.
        """
        connected = False

        async def attempt() -> _Answer:
            nonlocal connected
            async with self._connections.one() as connection:
                connected = True
                return await work(connection)

        # Cancelling a statement waits for a server that may be frozen: so the attempt is left behind, not waited for.
        task = asyncio.ensure_future(attempt())
        done, _ = await asyncio.wait({task}, timeout=DEADLINE_SECONDS)
        kind = OUTCOME_UNKNOWN if writes and connected else UNAVAILABLE
        if not done:
            task.add_done_callback(_forget)
            task.cancel()
            log.warning("postgresql_silent", seconds=DEADLINE_SECONDS)
            raise _refusal(kind)
        try:
            return task.result()
        except TimeoutError:
            raise _refusal(kind) from None
        except _AWAY as error:
            log.warning("postgresql_failed", error=type(error).__name__, detail=str(error)[:300])
            raise _refusal(kind) from None

    async def close(self) -> None:
        """Give the connections back."""
        await self._connections.close()


def _refusal(kind: Kind) -> ProblemError:
    return ProblemError(kind, headers=retry_after(_RETRY_SECONDS))


def _forget(task: asyncio.Task[object]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, _AWAY):
        log.warning("postgresql_late_failure", error=type(error).__name__)
