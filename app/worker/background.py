"""A thread of the worker's main process: it handles what it is given, in order, while the event loop goes on.

The loop must not wait for PostgreSQL or Redis: it sends no AMQP heartbeat meanwhile, and a frozen PostgreSQL cost the
worker its connection (A10).
"""

from __future__ import annotations

import queue
import threading
from typing import Generic, TypeVar

T = TypeVar("T")

#: How long the end of the worker waits for what is still to be handled.
PATIENCE_SECONDS = 5.0


class Background(Generic[T]):
    """The thread and its queue; it begins with the first item, because most workers never have one."""

    def __init__(self, name: str, *, most_waiting: int) -> None:
        """Start no thread yet."""
        self._name = name
        self._waiting: queue.Queue[T | None] = queue.Queue(most_waiting)
        self._thread: threading.Thread | None = None

    def handle(self, item: T) -> None:
        """Called in the thread; raises nothing."""
        raise NotImplementedError

    def begin(self) -> None:
        """Called in the thread before the first item."""

    def hand_over(self, item: T) -> bool:
        """Let the thread handle it; False if `most_waiting` items wait already."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(item)
        except queue.Full:
            return False
        return True

    def close(self) -> None:
        """Handle what waits, if that takes no longer than `PATIENCE_SECONDS`."""
        if self._thread is None:
            return
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(PATIENCE_SECONDS)

    def _run(self) -> None:
        self.begin()
        while (item := self._waiting.get()) is not None:
            self.handle(item)
