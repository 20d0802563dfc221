"""A planted bug: the effect commits by itself, before the inbox does. Who dies in between does it twice."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.__main__ import main
from app.storage import effects
from app.storage.engine import engine

_FRESH = "INSERT INTO inbox (dedupe_key, job_id, attempts)"
_honest = effects._STORE.text
_begin, _end = _honest.index(_FRESH), _honest.index("RETURNING dedupe_key") + len("RETURNING dedupe_key")
_look = "SELECT event_id AS dedupe_key FROM incoming WHERE NOT EXISTS (SELECT FROM inbox WHERE dedupe_key = event_id)"
effects._STORE = text(_honest[:_begin] + _look + _honest[_end:])
_store = effects.store


def store(connection: Any, events: Any, *, job_id: UUID | None, task_id: UUID, attempt: int) -> set[UUID]:
    """Store in a transaction of its own, then remember."""
    with engine().begin() as other:
        stored = _store(other, events, job_id=job_id, task_id=task_id, attempt=attempt)
    for event_id in sorted(stored):
        effects.first_time(connection, event_id, job_id=job_id, attempt=attempt)
    return stored


effects.store = store
main()
