"""All patterns beside one load: each sends in a thread of its own, and is judged when everything is drained."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from loadtests.driver import open_client
from loadtests.errors import HarnessError
from loadtests.mix.counted_batch import CountedBatch
from loadtests.mix.far_side_container import far_side
from loadtests.mix.limited_calls import LimitedCalls
from loadtests.mix.mixed import Judged, Mixed
from loadtests.mix.object_store import stored_contents
from loadtests.mix.order import Order
from loadtests.mix.pattern import Pattern
from loadtests.mix.poison import Poison
from loadtests.mix.schedules import Schedules
from loadtests.mix.sender import Sender
from loadtests.mix.unique_jobs import UniqueJobs
from loadtests.mix.uploads import AT_ONCE, Uploads
from loadtests.session import Session
from loadtests.target import Target


@contextmanager
def patterns(*, wanted: bool) -> Iterator[list[Pattern]]:
    """The patterns that the local stack can show, with the far side that they call; none if they are not wanted."""
    if not wanted:
        yield []
        return
    with far_side() as system, stored_contents() as read:
        calls = LimitedCalls(arrivals=system.arrivals)
        yield [calls, CountedBatch(), UniqueJobs(), Order(), Uploads(read=read), Poison(), Schedules()]


class Mix:
    """Runs the patterns of one load and judges them."""

    def __init__(self, chosen: Iterable[Pattern], target: Target, run: str, *, seconds: float) -> None:
        """Nothing is sent before `start`."""
        self._patterns = tuple(chosen)
        self._ended = threading.Event()
        self._client = open_client(
            target.gateway_url, target.ca_file, target.api_key, connections=len(self._patterns) + AT_ONCE
        )
        self._sender = Sender(self._client, run, seconds=seconds, ended=self._ended)
        self._sending: list[Future[None]] = []

    def start(self) -> None:
        """Let each pattern send in a thread of its own."""
        if self._patterns:
            pool = ThreadPoolExecutor(len(self._patterns), thread_name_prefix="mix")
            self._sending = [pool.submit(pattern.send, self._sender) for pattern in self._patterns]
            pool.shutdown(wait=False)

    def finish(self) -> None:
        """Send what is left at once, and wait until it is sent."""
        self._ended.set()
        for sending in self._sending:
            sending.exception()

    def close(self) -> None:
        """Close the connections."""
        self.finish()
        self._client.close()

    def judge(self, session: Session) -> Mixed:
        """Judge all patterns that were sent; call it after the drain."""
        judged: list[Judged] = []
        unsent: list[tuple[str, str]] = []
        for pattern, sending in zip(self._patterns, self._sending, strict=True):
            error = sending.exception()
            if isinstance(error, HarnessError):
                unsent.append((pattern.name, str(error)))
            elif error is not None:
                raise error
            else:
                judged += session.read(pattern.judge)
        return Mixed(judged=judged, unsent=unsent)
