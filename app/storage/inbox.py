"""The keys of items that were executed. A key commits with its effect, so a message that comes twice acts once.

The statement that inserts a key also checks whether the job was revoked, which saves a round trip.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

# Sorted, because overlapping batches that lock their keys in different orders deadlock (6 times in 12; design.md).
_REMEMBER = text("""
    INSERT INTO inbox (dedupe_key, job_id, attempts)
    SELECT dedupe_key, job_id, :attempt
    FROM unnest(cast(:keys AS uuid[]), cast(:job_ids AS uuid[])) AS k(dedupe_key, job_id)
    WHERE NOT EXISTS (SELECT FROM job_revocations r WHERE r.job_id = k.job_id AND :unless_revoked)
    ORDER BY dedupe_key
    ON CONFLICT DO NOTHING RETURNING dedupe_key
""")
_REVOKED = text("SELECT job_id FROM job_revocations WHERE job_id = ANY (cast(:job_ids AS uuid[]))")
_KEEP_RESULT = text("UPDATE inbox SET result = :result WHERE dedupe_key = :key")
_RESULT = text("SELECT result FROM inbox WHERE dedupe_key = :key")


class Entered(NamedTuple):
    """What became of keys. An earlier run has executed the items of those that are neither new nor revoked."""

    #: Their items may be executed now.
    new: set[UUID]
    #: Their jobs were revoked.
    revoked: set[UUID]


def dedupe_key(task_name: str, scope: str, key: str) -> UUID:
    """The inbox's key of an item: of one task and one sender. PostgreSQL's function `dedupe_key` gives the same."""
    name = f"{task_name}\x1f{scope}\x1f{key}"
    return UUID(bytes=sha256(name.encode("utf-8", "backslashreplace")).digest()[:16])


def enter(connection: Connection, items: Mapping[UUID, UUID | None], *, attempt: int) -> Entered:
    """Enter the keys of items, each with its job or None. The items of new keys may be executed in this transaction."""
    new = _remember(connection, items, attempt=attempt, unless_revoked=True)
    # A key is not new if its message came twice or its job was revoked; only then this needs a second statement.
    known = {key: job_id for key, job_id in items.items() if key not in new and job_id is not None}
    revoked = revoked_jobs(connection, set(known.values())) if known else set()
    return Entered(new, {key for key, job_id in known.items() if job_id in revoked})


def remember(connection: Connection, items: Mapping[UUID, UUID | None], *, attempt: int = 0) -> set[UUID]:
    """Returns the keys that are new. It ignores revocations, because the caller has executed the items already."""
    return _remember(connection, items, attempt=attempt, unless_revoked=False)


def _remember(
    connection: Connection, items: Mapping[UUID, UUID | None], *, attempt: int, unless_revoked: bool
) -> set[UUID]:
    parameters = {
        "keys": list(items), "job_ids": list(items.values()), "attempt": attempt, "unless_revoked": unless_revoked,
    }  # fmt: skip
    return set(connection.execute(_REMEMBER, parameters).scalars())


def revoked_jobs(connection: Connection, job_ids: Collection[UUID]) -> set[UUID]:
    """Those of the jobs that were revoked."""
    return set(connection.execute(_REVOKED, {"job_ids": list(job_ids)}).scalars())


def keep_result(connection: Connection, key: UUID, result: str) -> None:
    """Keep what the task returned, as JSON, for a message that comes again and has somebody to hand it to."""
    connection.execute(_KEEP_RESULT, {"key": key, "result": result})


def result_of(connection: Connection, key: UUID) -> str | None:
    """The kept result, or None."""
    return connection.execute(_RESULT, {"key": key}).scalar()
