"""Reads results by the ids of their tasks: first their sizes, then those that fit on the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

from celery.backends.base import KeyValueStoreBackend
from redis.exceptions import RedisError

from app.gateway import redis_client
from app.gateway.connections import Connection
from app.gateway.database import Database
from app.gateway.problems import RESULTS_AWAY, ProblemError, retry_after
from app.settings import Settings

#: Connections of their own, because rate limits must not wait for a long result.
_CONNECTIONS = 4
#: The longest time for an answer and the wait for a connection together.
_DEADLINE_SECONDS = 4.0
#: Seconds after which a refused caller should come again.
_RETRY_SECONDS = 2.0

_SIZES = """
    SELECT coalesce(octet_length(r.meta), 0) AS size
    FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS asked(task_id, place) LEFT JOIN results r USING (task_id)
    ORDER BY place
"""
_METAS = """
    SELECT r.meta FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS asked(task_id, place)
    LEFT JOIN results r USING (task_id) ORDER BY place
"""


class ResultStore(Protocol):
    """One place where results are kept."""

    #: For how long a result is kept.
    keep_seconds: float

    async def sizes(self, task_ids: Sequence[str]) -> list[int]:
        """Bytes of each result; 0 where there is none."""

    async def metas(self, task_ids: Sequence[str]) -> list[str | bytes | None]:
        """Each result as Celery wrote it, in JSON."""


class PostgreSQLResults:
    """The table `results`; both methods raise as `Database.run` does."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Nothing is read yet."""
        self._database = database
        self.keep_seconds = settings.retention_results_days * 24 * 3600.0

    async def sizes(self, task_ids: Sequence[str]) -> list[int]:
        """Bytes of each result; 0 where there is none."""
        return [row["size"] for row in await self._rows(_SIZES, task_ids)]

    async def metas(self, task_ids: Sequence[str]) -> list[str | bytes | None]:
        """Each result as Celery wrote it, in JSON."""
        return [row["meta"] for row in await self._rows(_METAS, task_ids)]

    async def _rows(self, statement: str, task_ids: Sequence[str]) -> list[dict[str, Any]]:
        async def read(connection: Connection) -> list[dict[str, Any]]:
            return await (await connection.execute(statement, {"ids": list(task_ids)})).fetchall()

        return await self._database.run(read)


class RedisResults:
    """The keys of Celery's Redis backend.

    Raises:
        ProblemError: 503 if Redis does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        """No connection is made yet."""
        self._client = redis_client.connect(settings, connections=_CONNECTIONS)
        self.keep_seconds = settings.results_redis_hours * 3600.0

    async def sizes(self, task_ids: Sequence[str]) -> list[int]:
        """Bytes of each result; 0 where there is none."""
        async with _in_time(), self._client.pipeline(transaction=False) as pipeline:
            for key in _keys(task_ids):
                pipeline.strlen(key)
            sizes: list[int] = await pipeline.execute()
        return sizes

    async def metas(self, task_ids: Sequence[str]) -> list[str | bytes | None]:
        """Each result as Celery wrote it, in JSON."""
        if not task_ids:
            return []
        async with _in_time():
            metas: list[str | bytes | None] = await self._client.mget(_keys(task_ids))
        return metas

    async def close(self) -> None:
        """Give the connections back."""
        with suppress(RedisError, OSError):
            await self._client.aclose()


def _keys(task_ids: Sequence[str]) -> list[str]:
    return [KeyValueStoreBackend.task_keyprefix + task_id for task_id in task_ids]


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            yield
    except (RedisError, OSError, TimeoutError) as error:
        detail = f"Redis, which keeps the results of this task, does not answer ({type(error).__name__})."
        raise ProblemError(RESULTS_AWAY, detail, headers=retry_after(_RETRY_SECONDS)) from error
