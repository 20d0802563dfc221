"""The relay's work besides its lanes: it puts held messages back, and drops those of revoked jobs wherever they wait.

A lane drops what it claims. It claims nothing while the broker is away, and nothing that is held or not due yet.
"""

from __future__ import annotations

import time

import structlog
from sqlalchemy import Engine

from app.relay import settlement
from app.storage import dropped_items, outbox, pauses

log = structlog.get_logger(__name__)

#: While so many messages are pending, none is put back: the gateway would refuse requests because of them.
_PENDING_MAX = 10_000
_DROPPED_AT_ONCE, _ROUNDS = 200, 10
#: A look for revoked jobs reads all that is pending. Between two looks it rests for so many times as long as one took.
_REST = 20.0
_REST_LEAST_SECONDS = 2.0


class Upkeep:
    """Takes a turn every few seconds, in the relay's main thread."""

    def __init__(self, database: Engine, *, most_bytes: int) -> None:
        """Look for revoked jobs at the first turn. most_bytes: of the bodies that it reads at a time."""
        self._database = database
        self._most_bytes = most_bytes
        self._look_at = 0.0

    def turn(self) -> None:
        """Put back what may go on, and drop what was revoked.

        Raises:
            sqlalchemy.exc.DBAPIError: PostgreSQL is away.
        """
        with self._database.begin() as connection:
            released = pauses.release(connection, pending_max=_PENDING_MAX)
        if released:
            log.info("messages_released", count=released)
        if time.monotonic() >= self._look_at:
            began = time.monotonic()
            try:
                for _ in range(_ROUNDS):
                    if not self._drop_revoked():
                        break
            finally:
                ended = time.monotonic()
                self._look_at = ended + max(_REST_LEAST_SECONDS, _REST * (ended - began))

    def _drop_revoked(self) -> int:
        """Drop messages of jobs that were revoked lately; returns their number.

        Those of other revoked jobs are dropped when claimed.
        """
        with self._database.begin() as connection:
            job_ids = dropped_items.revoked_lately(connection)
            if not job_ids:
                return 0
            # A relay has memory for a batch, so it reads no more than one at a time.
            bounds = {"most": _DROPPED_AT_ONCE, "most_bytes": self._most_bytes}
            waiting = outbox.lock_of_jobs(connection, job_ids, **bounds)
            held = [] if waiting else pauses.take_of_jobs(connection, job_ids, **bounds)
            messages = outbox.read(connection, [*waiting, *held])
            settlement.drop(connection, messages)
        if messages:
            log.info("messages_revoked", count=len(messages))
        return len(messages)
