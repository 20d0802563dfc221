"""The job of each key that waits or runs, and the number of its requests.

A request counts itself on the key's row, and holds the row until it commits. A run removes the row only if nobody has
asked since it began. So after each request there is a run that sees what the request has committed.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

# If a job is much too late, its message is lost or in the dead letters: another job takes its place.
_REQUEST = text("""
    INSERT INTO unique_jobs AS u (task_name, key, task_id, requests, due_at)
    VALUES (:task_name, :key, :task_id, 1, clock_timestamp() + make_interval(secs => :window_seconds))
    ON CONFLICT (task_name, key) DO UPDATE SET (requests, task_id, due_at) = (
        SELECT u.requests + 1,
               CASE WHEN lost THEN excluded.task_id ELSE u.task_id END,
               CASE WHEN lost THEN excluded.due_at ELSE u.due_at END
        FROM (SELECT u.due_at < clock_timestamp() - make_interval(secs => :lost_after_seconds) AS lost) AS too_late
    )
    RETURNING task_id
""")
_BEGIN = text("SELECT task_id, requests FROM unique_jobs WHERE task_name = :task_name AND key = :key")
_END = text("DELETE FROM unique_jobs WHERE task_name = :task_name AND key = :key AND requests = :requests")
_AGAIN = text("""
    UPDATE unique_jobs SET task_id = :task_id, due_at = clock_timestamp() + make_interval(secs => :window_seconds)
    WHERE task_name = :task_name AND key = :key
""")


def request(
    connection: Connection, task_name: str, key: str, *, task_id: UUID, window_seconds: float, lost_after_seconds: float
) -> bool:
    """Ask for a job. Returns whether the caller must send one with the id `task_id`; if not, another job serves it."""
    parameters = {
        "task_name": task_name, "key": key, "task_id": task_id,
        "window_seconds": window_seconds, "lost_after_seconds": lost_after_seconds,
    }  # fmt: skip
    return bool(connection.execute(_REQUEST, parameters).scalar() == task_id)


def begin(connection: Connection, task_name: str, key: str) -> tuple[UUID, int] | None:
    """The job of a key and the number of its requests. Call this before the job reads its data."""
    row = connection.execute(_BEGIN, {"task_name": task_name, "key": key}).one_or_none()
    return None if row is None else (row.task_id, row.requests)


def end(connection: Connection, task_name: str, key: str, *, requests: int) -> bool:
    """Remove the job if it has only these requests. Returns False if there are more; then the caller calls `again`."""
    parameters = {"task_name": task_name, "key": key, "requests": requests}
    return connection.execute(_END, parameters).rowcount > 0


def again(connection: Connection, task_name: str, key: str, *, task_id: UUID, window_seconds: float) -> None:
    """Name the key's next job, `task_id`, which the caller sends."""
    parameters = {"task_name": task_name, "key": key, "task_id": task_id, "window_seconds": window_seconds}
    connection.execute(_AGAIN, parameters)
