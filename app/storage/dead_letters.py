"""Writing the archive of dead messages; a message archived twice, because its acknowledgement was lost, is one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from app.storage.identifiers import new_id
from app.storage.tables import dead_letters

#: Headers that change with each delivery of one and the same dead message.
_PER_DELIVERY = ("x-delivery-count", "x-acquired-count")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that no consumer will take, whole, with why."""

    queue: str
    reason: str
    exchange: str
    routing_key: str
    properties: Mapping[str, Any]
    body: bytes
    task_id: UUID | None = None
    task_name: str | None = None
    job_id: UUID | None = None
    keys: Sequence[str] = ()
    exception_type: str | None = None
    exception_message: str | None = None
    attempts: int = 0
    died_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def fingerprint(self) -> bytes:
        """The same for each delivery of this death; another when the message dies again after a replay."""
        headers = dict(self.properties.get("application_headers") or {})
        stable = {name: value for name, value in headers.items() if name not in _PER_DELIVERY}
        parts = [self.queue, dict(self.properties) | {"application_headers": stable}]
        options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
        return hashlib.sha256(orjson.dumps(parts, default=str, option=options) + self.body).digest()


def archive(connection: Connection, letters: Sequence[DeadLetter]) -> int:
    """Insert dead letters in the caller's transaction; returns how many were not there yet."""
    if not letters:
        return 0
    rows = [
        {
            "dead_letter_id": new_id(),
            "fingerprint": letter.fingerprint,
            "state": "dead",
            "queue": letter.queue,
            "reason": letter.reason,
            "task_id": letter.task_id,
            "task_name": letter.task_name,
            "job_id": letter.job_id,
            "keys": list(letter.keys),
            "exception_type": letter.exception_type,
            "exception_message": letter.exception_message,
            "attempts": letter.attempts,
            "exchange": letter.exchange,
            "routing_key": letter.routing_key,
            "properties": orjson.loads(orjson.dumps(dict(letter.properties), default=str)),
            "body": letter.body,
            "died_at": letter.died_at,
        }
        for letter in letters
    ]
    statement = insert(dead_letters).on_conflict_do_nothing(index_elements=["fingerprint"])
    return sum(connection.execute(statement, [row]).rowcount for row in rows)
