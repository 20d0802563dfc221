"""One way to ask PostgreSQL, bounded in time: it answers, or the request ends with a 503 that says what is known.

There are several ways to it (PgBouncer has two pods), and one that breaks is no reason to refuse anybody: what may be
done twice is done again on a new connection. Only what is known to be broken is given up for that; a server that is
slow is waited for, since asking it twice would make it slower.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg
import structlog
import tenacity

from app.gateway.connections import Connection, Connections
from app.gateway.problems import OUTCOME_UNKNOWN, UNAVAILABLE, Kind, ProblemError, retry_after
from app.settings import Settings
from app.storage.engine import connect_arguments

log = structlog.get_logger(__name__)
_Answer = TypeVar("_Answer")

#: The first way, and two more: with two poolers of which one is lost, seven of eight requests find the other.
_ATTEMPTS = 3
#: A peer that does not even confirm what it was sent for so long is gone, with its node or its cable: so is one that
#: leaves the first packet of a connection unanswered. One that is only slow confirms, its kernel does.
_UNCONFIRMED_SECONDS = 1.0
#: Seconds after which a refused caller should come again.
_RETRY_SECONDS = 2.0
#: What PostgreSQL or the way to it may do to us. Anything else that psycopg raises is a bug of ours.
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError, OSError)


class Database:
    """The gateway's connections; each statement commits by itself."""

    def __init__(self, settings: Settings) -> None:
        """Connect lazily: the gateway starts while PostgreSQL is away."""
        # A caller waits so long at most, connecting included. The statement's own timeout is longer on purpose: it is
        # for statements of a healthy server, this one is for a server that is frozen and never says anything.
        self._answer_seconds = settings.postgresql_answer_seconds
        self._connections = Connections(
            connect_arguments(settings)
            # No shorter time for a handshake: with one second everybody was refused while the pods of a drained node
            # started on two processors, and each attempt that was thrown away made it worse.
            | {
                "connect_timeout": math.ceil(self._answer_seconds),
                "tcp_user_timeout": int(_UNCONFIRMED_SECONDS * 1000),
            },
            size=settings.postgresql_pool_size,
            wait_seconds=settings.postgresql_connect_timeout_seconds,
        )

    async def run(
        self,
        work: Callable[[Connection], Awaitable[_Answer]],
        *,
        writes: bool = False,
        repeatable: bool = True,
    ) -> _Answer:
        """Run `work` with a connection; again if that breaks and `work` is `repeatable` (the same when done twice).

        Raises:
            ProblemError: 503, bounded in time. For writes the outcome is unknown once a connection was there.
        """
        connected = False
        broken = True

        async def attempt() -> _Answer:
            nonlocal connected, broken
            broken = True
            async with self._connections.one() as connection:
                connected = True
                try:
                    return await work(connection)
                finally:
                    broken = connection.closed

        def again(error: BaseException) -> bool:
            # A TimeoutError: all connections are in use, and one more who waits would not help.
            lost = broken and isinstance(error, _AWAY) and not isinstance(error, TimeoutError)
            return lost and (repeatable or not connected)

        attempts = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(again),
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            before_sleep=_note,
            reraise=True,
        )
        # Cancelling a statement waits for a server that may be frozen: so the attempt is left behind, not waited for.
        task: asyncio.Task[_Answer] = asyncio.ensure_future(attempts(attempt))
        done, _ = await asyncio.wait({task}, timeout=self._answer_seconds)
        kind = OUTCOME_UNKNOWN if writes and connected else UNAVAILABLE
        if not done:
            task.add_done_callback(_forget)
            task.cancel()
            log.warning("postgresql_silent", seconds=self._answer_seconds)
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


def _note(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    log.warning("postgresql_tried_again", error=type(error).__name__, detail=str(error)[:300])


def _refusal(kind: Kind) -> ProblemError:
    return ProblemError(kind, headers=retry_after(_RETRY_SECONDS))


def _forget(task: asyncio.Task[object]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, _AWAY):
        log.warning("postgresql_late_failure", error=type(error).__name__)
