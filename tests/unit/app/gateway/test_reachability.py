"""Whether Redis and S3 answer, as a metric."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY
from redis.exceptions import ConnectionError as RedisConnectionError

from app import contract
from app.errors import ObjectStoreAwayError
from app.gateway import reachability
from app.gateway.reachability import Reachability


class _Server:
    """Answers, or fails, and counts the questions; after the last one the watch is ended."""

    def __init__(self, *errors: Exception | None, then: Callable[[], None]) -> None:
        self._errors, self._then = list(errors), then
        self.seen: list[float | None] = []

    async def ask(self) -> None:
        if len(self.seen) == len(self._errors):
            self._then()
            await asyncio.Event().wait()
        error = self._errors[len(self.seen)]
        self.seen.append(_shown())
        if error:
            raise error


def _shown() -> float | None:
    return REGISTRY.get_sample_value(contract.METRIC_SERVER_ANSWERS, {"server": "tested"})


@pytest.mark.parametrize("error", [RedisConnectionError(), ObjectStoreAwayError("away"), TimeoutError(), OSError()])
def test_what_a_server_answers_is_shown(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked again after an error, and the last answer counts."""
    monkeypatch.setattr(reachability, "ASK_SECONDS", 0)

    async def watch() -> list[float | None]:
        ended = asyncio.Event()
        server = _Server(None, error, error, None, then=ended.set)
        watching = asyncio.create_task(Reachability({"tested": server.ask}).watch())
        await ended.wait()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return [*server.seen, _shown()]

    assert asyncio.run(watch())[1:] == [1, 0, 0, 1]


def test_a_hanging_server_does_not_hide_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is asked in a loop of its own."""
    monkeypatch.setattr(reachability, "ASK_SECONDS", 0)

    async def watch() -> None:
        ended = asyncio.Event()
        hangs, other = asyncio.Event(), _Server(None, None, then=ended.set)
        watching = asyncio.create_task(Reachability({"hangs": hangs.wait, "tested": other.ask}).watch())
        await ended.wait()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    asyncio.run(asyncio.wait_for(watch(), 30))
