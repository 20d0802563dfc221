"""The table of messages that were put back because the first ones had vanished from the broker."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TABLE = """
CREATE TABLE put_back (
    message_id uuid PRIMARY KEY, job_id uuid NOT NULL, put_back_at timestamptz NOT NULL DEFAULT now(),
    put_back_by text NOT NULL
);
CREATE INDEX put_back_by_job ON put_back (job_id, put_back_at);
CREATE INDEX put_back_by_time ON put_back (put_back_at);
GRANT SELECT, INSERT ON put_back TO operator;
GRANT SELECT ON put_back TO relay, auditor;
"""


def upgrade() -> None:
    """Create the table, and count the new steps of retention as done now, as migration 0004 did for the others."""
    op.execute(_TABLE)
    op.execute("INSERT INTO retention_steps VALUES ('put_back', now())")


def downgrade() -> None:
    """Drop the table."""
    op.execute("DELETE FROM retention_steps WHERE step = 'put_back'")
    op.execute("DROP TABLE put_back")
