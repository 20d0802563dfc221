"""The keys of items that were executed. A key commits with its effect, so a message that comes twice acts once.

The statement that inserts a key also checks whether the job was revoked, which saves a round trip.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from app.errors import JobRevokedError

# Sorted, because overlapping batches that lock their keys in different orders deadlock (6 times in 12; design.md).
_REMEMBER = text("""
    INSERT INTO inbox (dedupe_key, job_id, attempts)
    SELECT dedupe_key, cast(:job_id AS uuid), :attempt
    FROM unnest(cast(:keys AS uuid[])) AS k(dedupe_key)
    WHERE NOT EXISTS (SELECT FROM job_revocations r WHERE r.job_id = cast(:unless_revoked AS uuid))
    ORDER BY dedupe_key
    ON CONFLICT DO NOTHING RETURNING dedupe_key
""")
_REVOKED = text("SELECT EXISTS (SELECT FROM job_revocations WHERE job_id = :job_id)")
_KEEP_RESULT = text("UPDATE inbox SET result = :result WHERE dedupe_key = :key")
_RESULT = text("SELECT result FROM inbox WHERE dedupe_key = :key")


def dedupe_key(task_name: str, scope: str, key: str) -> UUID:
    """The inbox's key of an item: of one task and one sender. PostgreSQL's function `dedupe_key` gives the same."""
    name = f"{task_name}\x1f{scope}\x1f{key}"
    return UUID(bytes=sha256(name.encode("utf-8", "backslashreplace")).digest()[:16])


def enter(connection: Connection, keys: Iterable[UUID], *, job_id: UUID | None, attempt: int) -> set[UUID]:
    """Returns the keys that are new and may be executed now, in the caller's transaction.

    Raises:
        JobRevokedError: their job was revoked, so none may be executed.
    """
    new = _remember(connection, keys, job_id=job_id, attempt=attempt, unless_revoked=job_id)
    # No key is new if the message came twice or its job was revoked; only then this needs a second statement.
    if not new and job_id is not None and is_revoked(connection, job_id):
        raise JobRevokedError(f"({job_id})")
    return new


def remember(
    connection: Connection, keys: Iterable[UUID], *, job_id: UUID | None = None, attempt: int = 0
) -> set[UUID]:
    """Returns the keys that are new. It ignores revocations, because the caller has executed the items already."""
    return _remember(connection, keys, job_id=job_id, attempt=attempt, unless_revoked=None)


def _remember(
    connection: Connection, keys: Iterable[UUID], *, job_id: UUID | None, attempt: int, unless_revoked: UUID | None
) -> set[UUID]:
    parameters = {"keys": list(keys), "job_id": job_id, "attempt": attempt, "unless_revoked": unless_revoked}
    return set(connection.execute(_REMEMBER, parameters).scalars())


def is_revoked(connection: Connection, job_id: UUID) -> bool:
    """Whether the job's owner has revoked it."""
    return bool(connection.execute(_REVOKED, {"job_id": job_id}).scalar())


def keep_result(connection: Connection, key: UUID, result: str) -> None:
    """Keep what the task returned, as JSON, for a message that comes again and has somebody to hand it to."""
    connection.execute(_KEEP_RESULT, {"key": key, "result": result})


def result_of(connection: Connection, key: UUID) -> str | None:
    """The kept result, or None."""
    return connection.execute(_RESULT, {"key": key}).scalar()
