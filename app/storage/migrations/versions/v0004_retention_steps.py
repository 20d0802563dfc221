"""When each step of retention last did all of its work: it runs and ends, so only PostgreSQL can say it afterwards."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_STEPS = ("create_partitions", "drop_partitions", "default_partitions", "inbox", "idempotency_keys")


def upgrade() -> None:
    """Each step begins now, so that an alert counts from here. Retention walks the keys; nobody reads their index."""
    op.execute("CREATE TABLE retention_steps (step text PRIMARY KEY, succeeded_at timestamptz NOT NULL)")
    for step in _STEPS:
        op.execute(f"INSERT INTO retention_steps VALUES ('{step}', now())")  # noqa: S608 - own names
    op.execute("GRANT SELECT ON retention_steps TO gateway, relay, archiver, operator, auditor")
    op.execute("DROP INDEX idempotency_keys_by_expiry")


def downgrade() -> None:
    """The index comes back."""
    op.execute("CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at)")
    op.execute("DROP TABLE retention_steps")
