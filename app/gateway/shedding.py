"""When to refuse work because too much waits already (law 7): the lowest class first, the highest last."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from app.contract import QueueClass
from app.gateway import metrics
from app.gateway.connections import Connection
from app.gateway.database import Database
from app.gateway.problems import OVERLOADED, ProblemError, retry_after
from app.settings import Settings
from app.storage.outbox import BACKLOG, Backlog
from app.telemetry import backlog

log = structlog.get_logger(__name__)

#: The share of the bounds at which a class is refused.
SHARES: Mapping[QueueClass, float] = {
    QueueClass.INTERACTIVE: 1.0,
    QueueClass.BULK: 0.8,
    QueueClass.EXTERNAL: 0.6,
}
#: Seconds between two looks at the outbox: at 1,000 messages a second the bound is overrun by 500 of 60,000.
REFRESH_SECONDS = 0.5
#: Seconds after which a refused caller should come again.
_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may wait, and for how long."""

    messages: int
    age_seconds: float


def must_shed(queue: QueueClass, backlogs: Sequence[Backlog], bounds: Bounds) -> bool:
    """Whether new work of this class is refused: all classes' messages share the bound, each class its part of it."""
    share = SHARES[queue]
    waiting = sum(one.messages for one in backlogs)
    oldest = max((one.oldest_age_seconds for one in backlogs), default=0.0)
    return waiting >= bounds.messages * share or oldest >= bounds.age_seconds * share


class Shedder:
    """Looks at the outbox now and then, and refuses by what it saw last."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Nothing waits until it has looked."""
        self._database = database
        self._bounds = Bounds(messages=settings.outbox_max_messages, age_seconds=settings.outbox_max_age_seconds)
        self._refused: dict[QueueClass, bool] = dict.fromkeys(QueueClass, False)

    def check(self, queue: QueueClass) -> None:
        """Let the request pass.

        Raises:
            ProblemError: 503; nothing was accepted.
        """
        if self._refused[queue]:
            metrics.SHED.labels(queue.value).inc()
            raise ProblemError(OVERLOADED, f"The class {queue.value} is refused.", headers=retry_after(_RETRY_SECONDS))

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
        for queue in QueueClass:
            refused = must_shed(queue, backlogs, self._bounds)
            if refused != self._refused[queue]:
                log.warning("shedding_changed", queue=queue.value, refused=refused)
            self._refused[queue] = refused


async def _read(connection: Connection) -> list[Backlog]:
    return [Backlog(**row) for row in await (await connection.execute(BACKLOG.text)).fetchall()]
