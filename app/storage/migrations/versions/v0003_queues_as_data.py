"""A message goes to its queue and nowhere else; a claim passes over nothing that is not due, and is bounded in bytes."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Exchange and routing key said the queue again; the attempts of a message decided nothing that the broker had not said."""
    op.execute("ALTER TABLE outbox DROP COLUMN exchange, DROP COLUMN routing_key")
    op.execute("ALTER TABLE outbox_pending DROP COLUMN attempts, ADD COLUMN body_bytes integer NOT NULL DEFAULT 0")
    op.execute("ALTER TABLE outbox_pending ALTER COLUMN body_bytes DROP DEFAULT")
    op.execute("DROP INDEX outbox_pending_by_queue")
    op.execute("CREATE INDEX outbox_pending_by_queue ON outbox_pending (queue, available_at)")


def downgrade() -> None:
    """What waits goes to the exchange of the tasks, as it did."""
    op.execute("DROP INDEX outbox_pending_by_queue")
    op.execute("CREATE INDEX outbox_pending_by_queue ON outbox_pending (queue, message_id)")
    op.execute("ALTER TABLE outbox_pending DROP COLUMN body_bytes, ADD COLUMN attempts smallint NOT NULL DEFAULT 0")
    op.execute(
        "ALTER TABLE outbox ADD COLUMN exchange text NOT NULL DEFAULT 'tasks', "
        "ADD COLUMN routing_key text NOT NULL DEFAULT ''"
    )
    op.execute("UPDATE outbox SET routing_key = queue")
    op.execute("ALTER TABLE outbox ALTER COLUMN exchange DROP DEFAULT, ALTER COLUMN routing_key DROP DEFAULT")
    op.execute("ALTER TABLE outbox_pending ALTER COLUMN attempts DROP DEFAULT")
