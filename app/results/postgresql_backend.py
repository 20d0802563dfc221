"""Keeps results in PostgreSQL: a row of the table `results` for each task that asks for it.

Celery's own database backend is not used for three reasons. It unpickles rows that are not JSON, so anybody who can
write a row can run code in the process that reads it. It creates its tables itself. It opens a second pool of
connections.
"""

from __future__ import annotations

from typing import Any

from celery import states
from celery.backends.base import BaseBackend
from sqlalchemy import text

from app.results.reporting import PatientReports
from app.storage.engine import autocommit

# A success is never overwritten: a second delivery of the message may fail.
_STORE = text("""
    INSERT INTO results (task_id, state, meta) VALUES (:task_id, :state, :meta)
    ON CONFLICT (task_id) DO UPDATE SET state = excluded.state, meta = excluded.meta, stored_at = now()
    WHERE results.state <> 'SUCCESS'
""")
_READ = text("SELECT meta FROM results WHERE task_id = :task_id")
_FORGET = text("DELETE FROM results WHERE task_id = :task_id")


class PostgreSQLResults(PatientReports, BaseBackend):  # type: ignore[misc]  # to mypy Any
    """Needs a role with rights on the table: workers write it, operators read it."""

    supports_autoexpire = True  # retention drops what is old

    def _store_result(
        self: Any, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **options: Any
    ) -> Any:
        meta = self._get_result_meta(result=result, state=state, traceback=traceback, request=request)
        row = {"task_id": task_id, "state": state, "meta": self.encode({**meta, "task_id": task_id})}
        with autocommit().connect() as connection:
            connection.execute(_STORE, row)
        return result

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        with autocommit().connect() as connection:
            meta = connection.execute(_READ, {"task_id": task_id}).scalar()
        if meta is None:
            return {"status": states.PENDING, "result": None}
        decoded: dict[str, Any] = self.decode_result(meta)
        return decoded

    def _forget(self, task_id: str) -> None:
        with autocommit().connect() as connection:
            connection.execute(_FORGET, {"task_id": task_id})

    # A member of a chord may keep its result here, but Redis counts the parts of every chord.
    def on_chord_part_return(self: Any, request: Any, state: str, result: Any, **options: Any) -> None:
        """Let the app's backend count the part."""
        self.app.backend.on_chord_part_return(request, state, result, **options)

    def add_to_chord(self: Any, chord_id: str, result: Any) -> None:
        """Let the app's backend add a member that a task has added to its own chord."""
        self.app.backend.add_to_chord(chord_id, result)
