"""Messages beyond their sender's share of a queue leave the outbox after the others."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the mark, and put it into the index, so that a claim reads either kind alone."""
    for table in ("outbox_pending", "outbox_held"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN beyond_share boolean NOT NULL DEFAULT false")
    op.execute("DROP INDEX outbox_pending_by_queue")
    op.execute("CREATE INDEX outbox_pending_by_queue ON outbox_pending (queue, beyond_share, available_at)")


def downgrade() -> None:
    """Drop the mark: messages leave in the order of their acceptance again."""
    op.execute("DROP INDEX outbox_pending_by_queue")
    for table in ("outbox_pending", "outbox_held"):
        op.execute(f"ALTER TABLE {table} DROP COLUMN beyond_share")
    op.execute("CREATE INDEX outbox_pending_by_queue ON outbox_pending (queue, available_at)")
