"""A limit on the calls of all workers together, timed by Redis' clock alone (docs/patterns/rate-limit.md)."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from uuid import uuid4

import structlog
from redis.exceptions import RedisError

from app.errors import ComeBackLaterError, DeclarationError
from app.kinds.base import running_task
from app.patterns.metrics import LIMIT_TURNS
from app.patterns.redis_server import Script
from app.storage.availability import is_away

log = structlog.get_logger(__name__)

#: Seconds from a turn to the arrival of its call at the far side, at most.
TRANSIT_SECONDS = 0.5
#: A task may come this much later than promised without delaying the next one: the broker's delay ladder knows only
#: whole seconds, and the message waits in its queue for a moment.
LATENESS_SECONDS = 2.0
#: Turns are promised at most this far ahead. A task that has to wait longer gets no promise, and asks again after half
#: of this time to all of it.
HORIZON_SECONDS = 3600.0
#: A task that is later than this loses its promised turn.
PATIENCE_SECONDS = 300.0
#: A lease outlasts its task's hard time limit by this much. So when it ends, the call is over or its process is dead.
LEASE_MARGIN_SECONDS = 5
#: While Redis is away and the limit is open, a process tries Redis again after this time.
AWAY_SECONDS = 5.0

_TAKE = Script("rate_limit.lua")
_PENALTY = Script("penalty.lua")


@dataclass
class _Local:
    """The limit of one process while Redis is away, on its monotonic clock."""

    away_until: float = 0.0
    next_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """At most `calls` in every period of `seconds`, over all workers. A task that must wait comes back at its turn.

    in_flight: at most this many calls at once; 0 sets no such limit.
    processes: while Redis is away each process makes calls / processes calls a period; 0: tasks wait for Redis.

    Raises:
        DeclarationError: a number cannot work.
    """

    name: str
    calls: int
    seconds: float
    in_flight: int = 0
    processes: int = 0
    _local: _Local = field(default_factory=_Local, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if self.calls < 1 or self.seconds <= 0 or self.in_flight < 0 or self.processes < 0:
            raise DeclarationError(f"({self}: calls and seconds must be above 0, the others 0 or more)")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Take a turn for one call, which must begin at once in this block. A task takes one turn in a run.

        Raises:
            ComeBackLaterError: it is not this task's turn. Its message comes back at its turn, at the same attempt.
            redis.RedisError: Redis is away, and `processes` is 0; the task waits for Redis.
        """
        turn, asked_at, leases = uuid4().hex, time.monotonic(), self._keys[2]
        wait_seconds = self._wait_seconds(turn)
        LIMIT_TURNS.labels(self.name, "waits" if wait_seconds > 0 else "taken").inc()
        if wait_seconds > 0:
            raise ComeBackLaterError(f"(the limit {self.name!r})", delay_seconds=wait_seconds)
        try:
            if time.monotonic() - asked_at > TRANSIT_SECONDS:  # the call might arrive in a period that is full
                raise ComeBackLaterError(f"(held up in the limit {self.name!r})", delay_seconds=1)
            yield
        finally:
            if self.in_flight and not self._away:
                with suppress(RedisError):  # the lease ends by itself
                    _TAKE.server().zrem(leases, turn)

    def penalise(self, seconds: float) -> None:
        """Close the limit for everybody for this many seconds, which the far side has named. 0 changes nothing.

        Raises:
            redis.RedisError: Redis is away.
        """
        if seconds <= 0:
            return
        log.warning("limit_penalised", limit=self.name, seconds=seconds)
        LIMIT_TURNS.labels(self.name, "penalty").inc()
        _PENALTY(self._keys, [_micro(min(seconds, HORIZON_SECONDS))])

    def _wait_seconds(self, turn: str) -> float:
        if self._away:
            return self._wait_locally()
        try:
            wait_seconds = self._ask(turn) / 1e6
        except RedisError as error:
            if not self.processes or not is_away(error):
                raise
            self._local.away_until = time.monotonic() + AWAY_SECONDS
            return self._wait_locally()
        return min(wait_seconds, HORIZON_SECONDS * (0.5 + random.random() / 2))  # noqa: S311 - no secret

    def _ask(self, turn: str) -> int:
        task = running_task()
        caller = str(task.request.id)  # parked copies and redeliveries keep it, so a task has one promised turn
        numbers = [self.seconds, TRANSIT_SECONDS, LATENESS_SECONDS, HORIZON_SECONDS, PATIENCE_SECONDS]
        lease_seconds = task.hard_limit_seconds + LEASE_MARGIN_SECONDS
        arguments = [caller, turn, self.calls, *map(_micro, numbers), self.in_flight, _micro(lease_seconds)]
        return int(_TAKE(self._keys, arguments))

    @property
    def _away(self) -> bool:
        return time.monotonic() < self._local.away_until

    def _wait_locally(self) -> float:
        """The wait until the next call of this process's share; the calls are evenly spread."""
        now = time.monotonic()
        if now < self._local.next_at:
            return self._local.next_at - now
        self._local.next_at = now + self.seconds * self.processes / self.calls
        return 0.0

    @property
    def _keys(self) -> list[str]:
        return [f"limit:{{{self.name}}}:{what}" for what in ("taken", "promised", "leases", "marks")]


def _micro(seconds: float) -> int:
    return round(seconds * 1e6)
