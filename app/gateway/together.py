"""Gathers calls that wait while others are under way, and makes them together: one round trip, one commit."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, NamedTuple, TypeVar

Order = TypeVar("Order")
Answer = TypeVar("Answer")

#: Calls that may wait. More are refused at once, because a silent server would fill the memory with bodies.
WAITING_MAX = 500


class _Waiting(NamedTuple, Generic[Order, Answer]):
    order: Order
    answer: asyncio.Future[Answer]
    since: float


class Together(Generic[Order, Answer]):
    """Gathers calls. A call that comes while fewer than `at_once` are under way leaves at once."""

    def __init__(
        self,
        work: Callable[[Sequence[Order]], Awaitable[Sequence[Answer | Exception]]],
        *,
        at_once: int,
        most: int,
        patience_seconds: float,
    ) -> None:
        """`work` answers up to `most` orders in one call; it may return an exception in place of an answer."""
        self._work = work
        self._at_once = at_once
        self._most = most
        self._patience_seconds = patience_seconds
        self._waiting: deque[_Waiting[Order, Answer]] = deque()
        self._under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, order: Order) -> Answer:
        """The answer to one order. Work that has begun goes on if the caller is cancelled.

        Raises:
            TimeoutError: the order waited longer than `patience_seconds`, or too many others wait; nothing was done.
            Exception: what `work` raised, or returned for this order.
        """
        if len(self._waiting) >= WAITING_MAX:
            raise TimeoutError
        waiting = _Waiting(order, asyncio.get_running_loop().create_future(), time.monotonic())
        self._waiting.append(waiting)
        if self._under_way < self._at_once:
            self._under_way += 1
            # With an empty context, because the task works for many requests.
            task = asyncio.create_task(self._run(), context=Context())
            self._tasks.add(task)  # asyncio itself keeps no reference
            task.add_done_callback(self._tasks.discard)
        answer: Answer = await waiting.answer
        return answer

    async def _run(self) -> None:
        try:
            # Nothing is awaited between the last look and the end, so no order is left behind.
            while batch := self._take():
                await self._answer(batch)
        finally:
            self._under_way -= 1

    async def _answer(self, batch: Sequence[_Waiting[Order, Answer]]) -> None:
        answers: Sequence[Answer | Exception]
        try:
            answers = await self._work([waiting.order for waiting in batch])
        except Exception as error:  # noqa: BLE001 - each caller gets it
            answers = [error] * len(batch)
        except BaseException:  # it was cancelled, and so are its callers, who would wait for ever
            for waiting in batch:
                waiting.answer.cancel()
            raise
        for waiting, answer in zip(batch, answers, strict=True):
            if waiting.answer.done():
                continue  # its caller has gone
            if isinstance(answer, Exception):
                waiting.answer.set_exception(answer)
            else:
                waiting.answer.set_result(answer)

    def _take(self) -> list[_Waiting[Order, Answer]]:
        batch: list[_Waiting[Order, Answer]] = []
        latest = time.monotonic() - self._patience_seconds
        while self._waiting and len(batch) < self._most:
            waiting = self._waiting.popleft()
            if waiting.answer.done():
                continue
            if waiting.since < latest:
                waiting.answer.set_exception(TimeoutError())
            else:
                batch.append(waiting)
        return batch
