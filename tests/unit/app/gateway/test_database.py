"""What a 503 says about a write is true, wherever PostgreSQL or the way to it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from app.gateway.database import Database
from app.gateway.problems import OUTCOME_UNKNOWN, UNAVAILABLE, Kind, ProblemError


class Server:
    """Stands in for the connections and for what is behind them: each attempt's way and work fail as they are told."""

    def __init__(self, *attempts: tuple[str, str]) -> None:
        """Ways and work are "good", "broken", or "silent" until the caller has its answer; the last one repeats."""
        self._attempts = list(attempts)
        self._answered = asyncio.Event()
        self.writes_begun = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Any]:
        """Lend a connection."""
        way, self._work = self._attempts.pop(0) if len(self._attempts) > 1 else self._attempts[0]
        await self._be(way)
        yield SimpleNamespace(closed=True)

    async def write(self, _: Any) -> None:
        """The work."""
        self.writes_begun += 1
        await self._be(self._work)

    async def _be(self, how: str) -> None:
        if how == "broken":
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        if how == "silent":
            await self._answered.wait()

    async def refuse(self) -> Kind:
        """Ask for a write; what its caller is told. Everything that was begun has ended afterwards."""
        asked = Database.__new__(Database)
        asked._connections = self  # type: ignore[assignment]
        asked._answer_seconds = 0.05
        with pytest.raises(ProblemError) as caught:
            await asked.run(self.write, writes=True)
        self._answered.set()
        if left := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(left, timeout=5)
        return caught.value.kind


@pytest.mark.parametrize(
    ("attempts", "told"),
    [
        ([("broken", "good")], UNAVAILABLE),
        ([("silent", "good")], UNAVAILABLE),
        ([("broken", "good"), ("silent", "good")], UNAVAILABLE),
        ([("good", "broken")], OUTCOME_UNKNOWN),
        ([("good", "silent")], OUTCOME_UNKNOWN),
        ([("good", "broken"), ("broken", "good")], OUTCOME_UNKNOWN),
        ([("good", "broken"), ("silent", "good")], OUTCOME_UNKNOWN),
    ],
)
def test_nothing_was_accepted_is_said_only_where_no_write_began(attempts: list[tuple[str, str]], told: Kind) -> None:
    """Nor does one begin afterwards, when a way opens that was given up."""

    async def refused() -> tuple[Kind, int]:
        server = Server(*attempts)
        return await server.refuse(), server.writes_begun

    kind, begun = asyncio.run(refused())

    assert kind is told
    assert (begun == 0) is (kind is UNAVAILABLE)
