"""What is beyond its sender's share of a queue leaves the outbox after the rest."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Mark the messages; the index leads a claim to one kind or the other."""
    for table in ("outbox_pending", "outbox_held"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN beyond_share boolean NOT NULL DEFAULT false")
    op.execute("DROP INDEX outbox_pending_by_queue")
    op.execute("CREATE INDEX outbox_pending_by_queue ON outbox_pending (queue, beyond_share, available_at)")


def downgrade() -> None:
    """All messages are alike again."""
    op.execute("DROP INDEX outbox_pending_by_queue")
    for table in ("outbox_pending", "outbox_held"):
        op.execute(f"ALTER TABLE {table} DROP COLUMN beyond_share")
    op.execute("CREATE INDEX outbox_pending_by_queue ON outbox_pending (queue, available_at)")
