"""Alembic's entry point: runs the versions in one transaction, one migrator at a time."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

from app.storage.ddl import LOCK_TIMEOUT_SECONDS
from app.storage.engine import engine
from app.storage.tables import metadata

#: Any number, as long as all migrators use the same: two pods that migrate at once must take turns.
_MIGRATION_LOCK = 5_671_001

with engine().connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        # The role's limit is for a request's statements; an index on a large table takes longer (BR-29).
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        # After the line above, which may wait for another migrator for as long as that takes.
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'"))
        context.run_migrations()
    connection.commit()
