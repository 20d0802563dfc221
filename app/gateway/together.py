"""Calls that wait while others are under way leave together: one round trip, and one commit, for all of them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, NamedTuple, TypeVar

Order = TypeVar("Order")
Answer = TypeVar("Answer")

#: Calls that may wait. More are refused at once: else a server that says nothing would fill the memory with bodies.
WAITING_MAX = 500


class _Waiting(NamedTuple, Generic[Order, Answer]):
    order: Order
    answer: asyncio.Future[Answer]
    since: float


class Together(Generic[Order, Answer]):
    """Gathers calls. Whoever calls while fewer than `at_once` are under way does not wait for company."""

    def __init__(
        self,
        work: Callable[[Sequence[Order]], Awaitable[Sequence[Answer | Exception]]],
        *,
        at_once: int,
        most: int,
        patience_seconds: float,
    ) -> None:
        """`work` answers up to `most` orders in one call; instead of an answer it may return why an order failed."""
        self._work = work
        self._at_once = at_once
        self._most = most
        self._patience_seconds = patience_seconds
        self._waiting: deque[_Waiting[Order, Answer]] = deque()
        self._under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, order: Order) -> Answer:
        """The answer to one order. What was begun is not given up when the caller is.

        Raises:
            TimeoutError: it waited too long for its turn, or too many others wait; nothing was done.
            Exception: whatever `work` raised or returned for it.
        """
        if len(self._waiting) >= WAITING_MAX:
            raise TimeoutError
        waiting = _Waiting(order, asyncio.get_running_loop().create_future(), time.monotonic())
        self._waiting.append(waiting)
        if self._under_way < self._at_once:
            self._under_way += 1
            # With a context of its own, because it works for many requests.
            task = asyncio.create_task(self._run(), context=Context())
            self._tasks.add(task)  # asyncio itself does not keep it
            task.add_done_callback(self._tasks.discard)
        answer: Answer = await waiting.answer
        return answer

    async def _run(self) -> None:
        # Nothing is awaited between the last look and the end, so no order is left behind.
        while batch := self._take():
            try:
                answers = await self._work([waiting.order for waiting in batch])
            except Exception as error:  # noqa: BLE001 - each caller gets it
                answers = [error] * len(batch)
            for waiting, answer in zip(batch, answers, strict=True):
                if waiting.answer.done():
                    continue  # its caller has gone
                if isinstance(answer, Exception):
                    waiting.answer.set_exception(answer)
                else:
                    waiting.answer.set_result(answer)
        self._under_way -= 1

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
