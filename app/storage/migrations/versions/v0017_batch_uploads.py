"""A table for the uploads whose rows a counted batch takes, and their counts on the batch's row."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_TABLE = """
CREATE TABLE batch_uploads (
    batch_id uuid NOT NULL, upload_key text NOT NULL, number integer NOT NULL,
    chunks integer NOT NULL DEFAULT 0, rows bigint NOT NULL DEFAULT 0,
    refused_line bigint, refused_because text, ended_at timestamptz,
    PRIMARY KEY (batch_id, upload_key)
) PARTITION BY RANGE (batch_id);
CREATE TABLE batch_uploads_default PARTITION OF batch_uploads DEFAULT;
ALTER TABLE batches ADD COLUMN uploads_taken integer NOT NULL DEFAULT 0,
    ADD COLUMN uploads_ended integer NOT NULL DEFAULT 0;
GRANT SELECT, INSERT ON batch_uploads TO gateway;
GRANT SELECT, UPDATE ON batch_uploads TO worker;
GRANT INSERT ON batch_chunks TO worker;
GRANT SELECT ON batch_uploads TO operator, auditor;
"""


def upgrade() -> None:
    """Create the table; the gateway inserts, workers end what they have added."""
    op.execute(_TABLE)


def downgrade() -> None:
    """Drop the table; chunks that were added stay."""
    op.execute("REVOKE INSERT ON batch_chunks FROM worker")
    op.execute("DROP TABLE batch_uploads")
    op.execute("ALTER TABLE batches DROP COLUMN uploads_taken, DROP COLUMN uploads_ended")
