"""Calls that wait leave together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from app.gateway import together
from app.gateway.together import Together


class Server:
    """Doubles numbers when the test lets it, and refuses odd numbers."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.may_answer = asyncio.Event()

    async def double(self, numbers: Sequence[int]) -> list[int | Exception]:
        """One call."""
        self.calls.append(list(numbers))
        await self.may_answer.wait()
        return [ValueError(str(number)) if number % 2 else 2 * number for number in numbers]


def gathered(server: Server, *, at_once: int = 1, most: int = 3, patience_seconds: float = 60) -> Together[int, int]:
    """Calls of this server."""
    return Together(server.double, at_once=at_once, most=most, patience_seconds=patience_seconds)


def test_who_waits_leaves_with_the_others() -> None:
    """A call holds as many orders as it may; each caller gets its own answer or failure."""

    async def scenario() -> tuple[Server, list[Any]]:
        server = Server()
        calls = gathered(server)
        asking = [asyncio.ensure_future(calls.ask(number)) for number in (2, 4, 5, 6, 8)]
        await asyncio.sleep(0)
        server.may_answer.set()
        return server, await asyncio.gather(*asking, return_exceptions=True)

    server, answers = asyncio.run(scenario())

    assert server.calls == [[2, 4, 5], [6, 8]]
    assert [repr(answer) for answer in answers] == ["4", "8", "ValueError('5')", "12", "16"]


def test_who_asks_as_soon_as_he_was_answered_is_answered_again() -> None:
    """This holds when the call before has ended but its task has not."""

    async def scenario() -> list[int]:
        server = Server()
        server.may_answer.set()
        calls = gathered(server)
        return [await calls.ask(number) for number in (2, 4, 6)]

    assert asyncio.run(asyncio.wait_for(scenario(), 10)) == [4, 8, 12]


def test_a_caller_who_left_takes_nobody_along() -> None:
    """Work that has begun goes on; work that has not begun is dropped."""

    async def scenario() -> tuple[Server, list[Any]]:
        server = Server()
        calls = gathered(server, most=1)
        asking = [asyncio.ensure_future(calls.ask(number)) for number in (2, 4, 6)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking[0].cancel()
        asking[1].cancel()
        await asyncio.sleep(0)
        server.may_answer.set()
        return server, await asyncio.gather(*asking, return_exceptions=True)

    server, answers = asyncio.run(scenario())

    assert server.calls == [[2], [6]]
    assert answers[2] == 12


def test_who_waits_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was done for it, so the gateway may answer that nothing was accepted."""
    now = 0.0
    monkeypatch.setattr(together.time, "monotonic", lambda: now)

    async def scenario() -> tuple[Server, list[Any]]:
        nonlocal now
        server = Server()
        calls = gathered(server, most=1, patience_seconds=3)
        asking = [asyncio.ensure_future(calls.ask(2)), asyncio.ensure_future(calls.ask(4))]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        now = 4.0
        server.may_answer.set()
        return server, await asyncio.gather(*asking, return_exceptions=True)

    server, answers = asyncio.run(scenario())

    assert server.calls == [[2]]
    assert [type(answer) for answer in answers] == [int, TimeoutError]


def test_only_so_many_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Further calls are refused, because a silent server must not fill the memory with bodies."""
    monkeypatch.setattr(together, "WAITING_MAX", 2)

    async def scenario() -> list[Any]:
        server = Server()
        calls = gathered(server, most=1)
        asking = [asyncio.ensure_future(calls.ask(number)) for number in (2, 4, 6)]
        await asyncio.sleep(0)
        server.may_answer.set()
        return await asyncio.gather(*asking, return_exceptions=True)

    assert [type(answer) for answer in asyncio.run(scenario())] == [int, int, TimeoutError]


def test_work_that_is_cancelled_leaves_nobody_waiting() -> None:
    """Its callers are cancelled, and whoever comes later is answered."""

    async def scenario() -> list[Any]:
        failing = [True]

        async def work(orders: Sequence[int]) -> list[int | Exception]:
            await asyncio.sleep(0)
            if failing:
                failing.pop()
                raise asyncio.CancelledError
            return list(orders)

        calls = Together(work, at_once=1, most=3, patience_seconds=60)
        return [
            *await asyncio.gather(calls.ask(1), calls.ask(2), return_exceptions=True),
            *await asyncio.gather(calls.ask(3), return_exceptions=True),
        ]

    answers = asyncio.run(asyncio.wait_for(scenario(), 10))

    assert [type(answer) for answer in answers[:2]] == [asyncio.CancelledError] * 2
    assert answers[2] == 3
