"""The keys of items that were executed. A key commits with its effect, so a message that comes twice acts once."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

# Sorted, because overlapping batches that lock their keys in different orders deadlock (6 times in 12; design.md).
_REMEMBER = text("""
    INSERT INTO inbox (dedupe_key, job_id, attempts)
    SELECT dedupe_key, cast(:job_id AS uuid), :attempt
    FROM unnest(cast(:keys AS uuid[])) AS k(dedupe_key) ORDER BY dedupe_key
    ON CONFLICT DO NOTHING RETURNING dedupe_key
""")
_KEEP_RESULT = text("UPDATE inbox SET result = :result WHERE dedupe_key = :key")
_RESULT = text("SELECT result FROM inbox WHERE dedupe_key = :key")


def dedupe_key(task_name: str, scope: str, key: str) -> UUID:
    """The inbox's key of an item: of one task and one sender. PostgreSQL's function `dedupe_key` gives the same."""
    name = f"{task_name}\x1f{scope}\x1f{key}"
    return UUID(bytes=sha256(name.encode("utf-8", "backslashreplace")).digest()[:16])


def remember(
    connection: Connection, keys: Iterable[UUID], *, job_id: UUID | None = None, attempt: int = 0
) -> set[UUID]:
    """Returns the keys that are new; they are in the inbox from then on, if the caller's transaction commits."""
    rows = connection.execute(_REMEMBER, {"keys": list(keys), "job_id": job_id, "attempt": attempt})
    return set(rows.scalars())


def keep_result(connection: Connection, key: UUID, result: str) -> None:
    """Keep what the task returned, as JSON, for a message that comes again and has somebody to hand it to."""
    connection.execute(_KEEP_RESULT, {"key": key, "result": result})


def result_of(connection: Connection, key: UUID) -> str | None:
    """The kept result, or None."""
    return connection.execute(_RESULT, {"key": key}).scalar()
