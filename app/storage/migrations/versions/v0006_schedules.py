"""A table for the last slot of each schedule; beat may write to the outbox."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and let beat insert into the outbox: it no longer publishes to RabbitMQ itself."""
    op.execute("CREATE TABLE schedules (schedule text PRIMARY KEY, last_slot timestamptz NOT NULL)")
    op.execute("GRANT USAGE ON SCHEMA public TO beat")
    op.execute("GRANT SELECT ON alembic_version TO beat")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON schedules TO beat")
    op.execute("GRANT INSERT ON outbox, outbox_pending TO beat")
    op.execute("GRANT SELECT ON schedules TO operator, auditor")
    op.execute("GRANT DELETE ON schedules TO operator")


def downgrade() -> None:
    """Drop the table; slots that were not sent are lost."""
    op.execute("DROP TABLE schedules")
    op.execute("REVOKE SELECT ON alembic_version FROM beat")
    op.execute("REVOKE INSERT ON outbox, outbox_pending FROM beat")
    op.execute("REVOKE USAGE ON SCHEMA public FROM beat")
