"""A table for the results that tasks keep in PostgreSQL."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# `meta` is JSON as Celery writes it, in text: jsonb refuses a NUL in a string.
_RESULTS = """
CREATE TABLE results (
    task_id text PRIMARY KEY, state text NOT NULL, meta text NOT NULL, stored_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON results TO worker;
GRANT SELECT ON results TO operator, auditor;
"""


def upgrade() -> None:
    """Create the table; workers write it, the other roles read it."""
    op.execute(_RESULTS)
    op.execute("INSERT INTO retention_steps VALUES ('results', now())")


def downgrade() -> None:
    """Drop the table with its results."""
    op.execute("DELETE FROM retention_steps WHERE step = 'results'")
    op.execute("DROP TABLE results")
