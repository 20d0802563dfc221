"""Tables of patterns: counted batches, unique jobs, checkpoints of tasks in steps."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# A chunk's body is kept until the chunk is done. lz4, because pglz took a third of PostgreSQL's time for the gateway.
_BATCHES = """
CREATE TABLE batches (
    batch_id uuid PRIMARY KEY, task_name text NOT NULL, api_key_id text NOT NULL,
    chunks_added integer NOT NULL DEFAULT 0, rows_added bigint NOT NULL DEFAULT 0,
    chunks_done integer NOT NULL DEFAULT 0, rows_done bigint NOT NULL DEFAULT 0,
    opened_at timestamptz NOT NULL DEFAULT now(), sealed_at timestamptz, finished_at timestamptz, aggregate text,
    CHECK (chunks_done <= chunks_added), CHECK (rows_done <= rows_added)
) PARTITION BY RANGE (batch_id);
CREATE TABLE batches_default PARTITION OF batches DEFAULT;
CREATE TABLE batch_chunks (
    batch_id uuid NOT NULL, number integer NOT NULL, row_count integer NOT NULL, body_hash bytea NOT NULL,
    body bytea COMPRESSION lz4, part text, done_at timestamptz, PRIMARY KEY (batch_id, number)
) PARTITION BY RANGE (batch_id);
CREATE TABLE batch_chunks_default PARTITION OF batch_chunks DEFAULT;
GRANT SELECT, INSERT, UPDATE ON batches TO gateway;
GRANT SELECT, INSERT ON batch_chunks TO gateway;
GRANT SELECT, UPDATE ON batches, batch_chunks TO worker;
GRANT SELECT ON batches, batch_chunks TO operator, auditor;
"""
# Rows that live until their job has run.
_HOT = "WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000)"
_JOBS = f"""
CREATE TABLE unique_jobs (
    task_name text NOT NULL, key text NOT NULL, task_id uuid NOT NULL, requests bigint NOT NULL,
    due_at timestamptz NOT NULL, PRIMARY KEY (task_name, key)
) {_HOT};
CREATE TABLE checkpoints (
    run_id uuid PRIMARY KEY, task_name text NOT NULL, job_id uuid, slice integer NOT NULL DEFAULT 0,
    steps bigint NOT NULL DEFAULT 0, state text, changed_at timestamptz NOT NULL DEFAULT now()
) {_HOT};
GRANT SELECT, INSERT, UPDATE, DELETE ON unique_jobs, checkpoints TO worker;
GRANT SELECT ON unique_jobs, checkpoints TO operator, auditor;
"""


def upgrade() -> None:
    """Create the tables, and count the new steps of retention as done now, as migration 0004 did for the others."""
    op.execute(_BATCHES)
    op.execute(_JOBS)
    op.execute("INSERT INTO retention_steps VALUES ('unique_jobs', now()), ('checkpoints', now())")


def downgrade() -> None:
    """Drop the tables with their batches and jobs."""
    op.execute("DELETE FROM retention_steps WHERE step IN ('unique_jobs', 'checkpoints')")
    op.execute("DROP TABLE checkpoints, unique_jobs, batch_chunks, batches")
