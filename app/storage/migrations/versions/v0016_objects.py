"""A table for content in S3: when it was last used, so that retention knows what it may remove."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_TABLE = """
CREATE TABLE objects (
    key text PRIMARY KEY CHECK (key ~ '^[0-9a-f]{64}$'), used_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE ON objects TO gateway, worker;
GRANT SELECT ON objects TO operator, auditor;
"""


def upgrade() -> None:
    """Create the table; gateway and workers write it before they store, retention deletes."""
    op.execute(_TABLE)
    op.execute("INSERT INTO retention_steps VALUES ('objects', now())")


def downgrade() -> None:
    """Drop the table; the objects stay in S3."""
    op.execute("DELETE FROM retention_steps WHERE step = 'objects'")
    op.execute("DROP TABLE objects")
