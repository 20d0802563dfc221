"""When to refuse work because too much waits already (law 7): the last declared queue's first, the first's last."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from app import contract
from app.gateway import metrics
from app.gateway.connections import Connection
from app.gateway.database import Database
from app.gateway.problems import OVERLOADED, ProblemError, retry_after
from app.settings import Settings
from app.storage.outbox import BACKLOG, Backlog
from app.telemetry import backlog

log = structlog.get_logger(__name__)

#: The share of the bounds at which the last queue is refused; the first is refused at the bounds, the others between.
_LEAST_SHARE = 0.6
#: Work within its sender's share is refused at this many times the bound.
_ROOM_FOR_SHARES = 1.25
#: Seconds between two looks at the outbox: at 1,000 messages a second the bound is overrun by 500 of 60,000.
REFRESH_SECONDS = 0.5
#: Seconds after which a refused caller should come again.
_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may wait, and for how long."""

    messages: int
    age_seconds: float


def shares(queues: Sequence[str]) -> dict[str, float]:
    """At which share of the bounds each queue is refused, in equal steps down the order of service."""
    step = (1.0 - _LEAST_SHARE) / max(1, len(queues) - 1)
    return {queue: 1.0 - place * step for place, queue in enumerate(queues)}


def shed(queues: Sequence[str], backlogs: Sequence[Backlog], bounds: Bounds, *, beyond_share: bool) -> set[str]:
    """The queues for which new work is refused.

    Work beyond its sender's share is refused first, so that no sender is refused for another one's backlog.
    The number is PostgreSQL's and so shared by all; the age is the queue's own, because a queue that stands still says
    nothing about the others.
    """
    waiting = sum(one.messages for one in backlogs)
    most = bounds.messages * (1.0 if beyond_share else _ROOM_FOR_SHARES)
    age_seconds = {one.queue: one.oldest_age_seconds for one in backlogs}
    return {
        queue
        for queue, share in shares(queues).items()
        if waiting >= most * share or age_seconds.get(queue, 0.0) >= bounds.age_seconds * share
    }


class Shedder:
    """Looks at the outbox now and then, and refuses by what it saw last."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Nothing waits until it has looked."""
        self._database = database
        self._bounds = Bounds(messages=settings.outbox_max_messages, age_seconds=settings.outbox_max_age_seconds)
        #: By whether the items are beyond their sender's share.
        self._refused: dict[bool, set[str]] = {False: set(), True: set()}

    def check(self, queue: str, *, beyond_share: bool = False) -> None:
        """Let the request pass.

        Raises:
            ProblemError: 503; nothing was accepted.
        """
        if queue in self._refused[beyond_share]:
            metrics.SHED.labels(queue).inc()
            detail = f"Work for the queue {queue} is refused."
            raise ProblemError(OVERLOADED, detail, headers=retry_after(_RETRY_SECONDS))

    async def watch(self) -> None:
        """Look again and again; while PostgreSQL is away what was seen last stands, and every request fails anyway."""
        while True:
            try:
                self._see(await self._database.run(_read))
            except ProblemError:
                pass
            except Exception:
                log.exception("backlog_unreadable")
            await asyncio.sleep(REFRESH_SECONDS)

    def _see(self, backlogs: Sequence[Backlog]) -> None:
        backlog.show(backlogs)
        for beyond_share, before in self._refused.items():
            refused = shed(contract.queue_names(), backlogs, self._bounds, beyond_share=beyond_share)
            for queue in refused ^ before:
                log.warning("shedding_changed", queue=queue, refused=queue in refused, beyond_share=beyond_share)
            self._refused[beyond_share] = refused


async def _read(connection: Connection) -> list[Backlog]:
    return [Backlog(**row) for row in await (await connection.execute(BACKLOG.text)).fetchall()]
