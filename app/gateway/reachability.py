"""Whether Redis and S3 answer, as a metric: nobody else would tell while no request needs them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from redis.exceptions import RedisError

from app.errors import ObjectStoreAwayError
from app.gateway import metrics

log = structlog.get_logger(__name__)

#: Seconds between two questions to one server; an answer takes as long as the clients of Redis and S3 let it.
ASK_SECONDS = 10.0
#: Fails if the server does not answer.
Ask = Callable[[], Awaitable[object]]


class Reachability:
    """Asks each server in a loop of its own, so that none waits for another's time-out."""

    def __init__(self, servers: Mapping[str, Ask]) -> None:
        """Name the servers by the label of their series."""
        self._servers = servers

    async def watch(self) -> None:
        """Ask again and again."""
        await asyncio.gather(*(self._watch(server, ask) for server, ask in self._servers.items()))

    async def _watch(self, server: str, ask: Ask) -> None:
        answered = True
        while True:
            before, answered = answered, await _answers(server, ask)
            if answered != before:
                log.warning("server_reachable", server=server, answers=answered)
            await asyncio.sleep(ASK_SECONDS)


async def _answers(server: str, ask: Ask) -> bool:
    try:
        await ask()
    except (RedisError, ObjectStoreAwayError, OSError, TimeoutError):
        answers = False
    else:
        answers = True
    metrics.SERVER_ANSWERS.labels(server).set(answers)
    return answers
