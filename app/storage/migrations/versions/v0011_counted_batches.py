"""Tables for counted batches, for jobs of which one waits, and for tasks that go on from a checkpoint."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0008"
branch_labels = None
depends_on = None

# A chunk's body is there until the chunk is done. lz4: pglz took a third of the gateway's time on PostgreSQL's side.
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


def upgrade() -> None:
    """Create the tables."""
    op.execute(_BATCHES)


def downgrade() -> None:
    """Drop them with their batches."""
    op.execute("DROP TABLE batch_chunks, batches")
