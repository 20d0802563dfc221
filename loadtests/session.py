"""The auditor's session, made again when it breaks: a drill may have moved PostgreSQL to another node."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

import psycopg
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from loadtests.collector import Rows
from loadtests.errors import NotReadyError
from loadtests.target import Target

T = TypeVar("T")
#: A pod that lost its node starts again elsewhere after minutes, if its volume lets it.
PATIENCE_SECONDS = 300.0
_AGAIN_SECONDS = 1.0
_BROKEN = (psycopg.OperationalError, psycopg.InterfaceError, NotReadyError)


class Session:
    """One connection at a time, for reads alone: each is asked whole again if its connection breaks."""

    def __init__(self, target: Target, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Connect to nothing yet."""
        self._target = target
        self._patience_seconds = patience_seconds
        self._connection: Rows | None = None

    def read(self, query: Callable[[Rows], T]) -> T:
        """The query's answer.

        Raises:
            NotReadyError: PostgreSQL stayed away.
        """
        again = Retrying(
            stop=stop_after_delay(self._patience_seconds),
            wait=wait_fixed(_AGAIN_SECONDS),
            retry=retry_if_exception_type(_BROKEN),
            before_sleep=self._renew,
            reraise=True,
        )
        return again(lambda: query(self._connected()))

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        """Connect now: what cannot be reached is said before anything starts."""
        self._connected()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _connected(self) -> Rows:
        if self._connection is None:
            self._connection = self._target.connect()
        return self._connection

    def _renew(self, _: RetryCallState) -> None:
        self.close()
        self._target.renew_postgresql()
