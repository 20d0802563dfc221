"""Asks S3 in threads of its own, so that only uploads and long items wait for S3."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TypeVar

import structlog

from app.errors import ObjectStoreAwayError
from app.gateway.connections import Connection
from app.gateway.database import Database
from app.gateway.problems import STORE_AWAY, UPLOAD_QUOTA, ProblemError, retry_after
from app.settings import Settings
from app.storage import object_uses, objects

log = structlog.get_logger(__name__)
_Answer = TypeVar("_Answer")

#: For long items, and for questions whether something is there.
_MORE_THREADS = 4
_RETRY_SECONDS = 5.0
#: The name of no content.
_NO_KEY = "0" * 64


class ObjectStore:
    """The gateway's access to S3."""

    def __init__(self, settings: Settings, database: Database) -> None:
        """Connect lazily: the gateway starts while S3 is away."""
        self.configured = bool(settings.s3_endpoint)
        self._database = database
        self._bytes_a_day = settings.upload_bytes_a_day_of_one_key
        self._threads = ThreadPoolExecutor(settings.uploads_at_once + _MORE_THREADS, thread_name_prefix="s3")

    async def put(self, key: str, content: bytes | IO[bytes], *, size_bytes: int, api_key_id: str) -> bool:
        """Store content unless it is there; returns whether it was stored now.

        Raises:
            ProblemError: 429 if the API key has stored too much within a day, 503 if S3 or PostgreSQL is away.
        """
        await self._count(key, size_bytes, api_key_id)
        return await self._ask(lambda: objects.put(key, content))

    async def size_bytes(self, key: str) -> int | None:
        """The size of a content; None if it is not there. To ask is to use it: retention then keeps it."""
        if await self._ask(lambda: objects.size_bytes(key)) is None:
            return None
        await self._mark(key)
        return await self._ask(lambda: objects.size_bytes(key))

    async def ask(self) -> None:
        """Ask S3 for a content that is not there.

        Raises:
            ObjectStoreAwayError: S3 does not answer, or refuses us.
        """
        await self.run(lambda: objects.size_bytes(_NO_KEY))

    async def run(self, work: Callable[[], _Answer]) -> _Answer:
        """Run blocking work in one of these threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Cancel the work that has not begun, and do not wait for the rest."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _count(self, key: str, size_bytes: int, api_key_id: str) -> None:
        """Count content for the API key before it is stored, unless it was counted already."""
        parameters = {
            "key": key, "api_key_id": api_key_id, "bytes": size_bytes,
            "bytes_min": object_uses.COUNTED_BYTES_MIN, "bytes_a_day": self._bytes_a_day,
        }  # fmt: skip

        async def count(connection: Connection) -> float:
            cursor = await connection.execute(object_uses.COUNT, parameters)
            [row] = await cursor.fetchall()
            return float(row["wait_seconds"])

        if wait_seconds := await self._database.run(count, writes=True):
            detail = (
                f"An API key stores at most {self._bytes_a_day} bytes within 24 hours. There is room for these "
                f"{size_bytes} bytes in {math.ceil(wait_seconds)} s. Content that is there already needs no room."
            )
            raise ProblemError(UPLOAD_QUOTA, detail, headers=retry_after(wait_seconds, spread=0))

    async def _mark(self, key: str) -> None:
        async def mark(connection: Connection) -> None:
            await connection.execute(object_uses.MARK, {"key": key})

        await self._database.run(mark, writes=True)

    async def _ask(self, work: Callable[[], _Answer]) -> _Answer:
        try:
            return await self.run(work)
        except ObjectStoreAwayError as error:
            log.warning("object_store_away", detail=error.detail[:300])
            raise ProblemError(STORE_AWAY, headers=retry_after(_RETRY_SECONDS)) from None
