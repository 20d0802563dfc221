"""Where the broker keeps no dead letters of a reject (SQS), a worker archives them itself."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """It writes them and sees whether one is there; it reads none."""
    op.execute("GRANT INSERT, SELECT (fingerprint) ON dead_letters TO worker")


def downgrade() -> None:
    """Take it back."""
    op.execute("REVOKE INSERT, SELECT (fingerprint) ON dead_letters FROM worker")
