"""Jobs and dead letters name tasks and keys; the inbox knows keys of any task; tasks have tables of their own."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# In SQL as well as in `app.storage.inbox`: only PostgreSQL can join a job's keys with the inbox. chr(31) separates the
# parts, because none of the first two can hold it.
_DEDUPE_KEY = """
CREATE FUNCTION dedupe_key(task_name text, scope text, key text) RETURNS uuid STABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT cast(encode(substring(
        sha256(convert_to(task_name || chr(31) || scope || chr(31) || key, 'UTF8')) FROM 1 FOR 16), 'hex') AS uuid)
$$
"""
# A schema apart, so that what workers may do with the tables of tasks says nothing about the tables of Millrace.
_TASKS = """
CREATE SCHEMA tasks;
GRANT USAGE ON SCHEMA tasks TO gateway, worker, operator, auditor;
ALTER DEFAULT PRIVILEGES IN SCHEMA tasks GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO worker;
ALTER DEFAULT PRIVILEGES IN SCHEMA tasks GRANT SELECT ON TABLES TO operator, auditor;
ALTER DEFAULT PRIVILEGES IN SCHEMA tasks GRANT USAGE ON SEQUENCES TO worker;
"""


def upgrade() -> None:
    """Nobody has deployed Millrace yet: what is there is rewritten in place."""
    op.execute("ALTER TABLE jobs RENAME COLUMN kind TO task_name")
    for table in ("jobs", "dead_letters"):
        op.execute(f"ALTER TABLE {table} ALTER COLUMN event_ids TYPE text[] USING event_ids::text[]")
        op.execute(f"ALTER TABLE {table} RENAME COLUMN event_ids TO keys")
    op.execute("UPDATE api_keys SET scopes = array_replace(scopes, 'events:write', 'tasks:write')")
    op.execute("ALTER TABLE inbox ADD COLUMN result text")
    op.execute("GRANT UPDATE (result) ON inbox TO worker")
    op.execute(_DEDUPE_KEY)
    op.execute(_TASKS)


def downgrade() -> None:
    """Keys that are no UUIDs cannot go back."""
    op.execute("DROP SCHEMA tasks CASCADE")
    op.execute("DROP FUNCTION dedupe_key")
    op.execute("ALTER TABLE inbox DROP COLUMN result")
    op.execute("UPDATE api_keys SET scopes = array_replace(scopes, 'tasks:write', 'events:write')")
    for table in ("jobs", "dead_letters"):
        op.execute(f"ALTER TABLE {table} RENAME COLUMN keys TO event_ids")
        op.execute(f"ALTER TABLE {table} ALTER COLUMN event_ids TYPE uuid[] USING event_ids::uuid[]")
    op.execute("ALTER TABLE jobs RENAME COLUMN task_name TO kind")
