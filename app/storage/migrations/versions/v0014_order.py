"""The lines of tasks in order."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Rows that live until their items have ended.
_HOT = "WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000)"
_TABLES = f"""
CREATE TABLE ordered_keys (
    order_id uuid PRIMARY KEY, accepted bigint NOT NULL, ended bigint NOT NULL DEFAULT 0, CHECK (ended <= accepted)
) {_HOT};
CREATE TABLE ordered_items (
    order_id uuid NOT NULL, place bigint NOT NULL, message_id uuid NOT NULL, task_id uuid NOT NULL,
    PRIMARY KEY (order_id, place)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
GRANT SELECT, INSERT, UPDATE ON ordered_keys TO gateway, worker;
GRANT INSERT ON ordered_items TO gateway, worker;
GRANT SELECT, UPDATE, DELETE ON ordered_keys TO relay, worker, archiver, operator;
GRANT SELECT, DELETE ON ordered_items TO relay, worker, archiver, operator;
GRANT SELECT ON ordered_keys, ordered_items TO auditor;
GRANT UPDATE (due_at, available_at) ON outbox_pending TO worker, archiver, operator;
GRANT SELECT ON outbox_pending TO archiver;
"""


def upgrade() -> None:
    """Create the tables. The roles that end items may release the next item's message."""
    op.execute(_TABLES)


def downgrade() -> None:
    """Drop the lines. The messages that they held back are sent at once, in no order."""
    op.execute("REVOKE SELECT ON outbox_pending FROM archiver")
    op.execute("REVOKE UPDATE (due_at, available_at) ON outbox_pending FROM worker, archiver, operator")
    op.execute("UPDATE outbox_pending SET available_at = greatest(due_at, now()) WHERE available_at = 'infinity'")
    op.execute("DROP TABLE ordered_items, ordered_keys")
