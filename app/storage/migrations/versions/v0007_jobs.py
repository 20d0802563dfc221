"""Jobs are listed by their API key and can be revoked; items that are never executed are recorded."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# `job_revocations` is not partitioned: each task reads it, and planning over partitions costs more than the look-up.
_TABLES = """
CREATE TABLE job_revocations (job_id uuid PRIMARY KEY, revoked_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE dropped_items (
    job_id uuid NOT NULL, dedupe_key uuid NOT NULL, outcome text NOT NULL CHECK (outcome IN ('revoked', 'expired')),
    dropped_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (job_id, dedupe_key)
) PARTITION BY RANGE (job_id);
CREATE TABLE dropped_items_default PARTITION OF dropped_items DEFAULT;
CREATE INDEX jobs_by_api_key ON jobs (api_key_id, job_id);
"""
# Relay and worker record what they drop; only the gateway revokes.
_GRANTS = """
GRANT SELECT, INSERT ON job_revocations TO gateway;
GRANT SELECT ON job_revocations TO worker, relay, operator, auditor;
GRANT SELECT ON dropped_items TO gateway, operator, auditor;
GRANT INSERT ON dropped_items TO worker, relay;
"""


def upgrade() -> None:
    """Create the tables, and count the new step of retention as done now, as migration 0004 did for the others."""
    op.execute(_TABLES)
    op.execute(_GRANTS)
    op.execute("INSERT INTO retention_steps VALUES ('job_revocations', now())")


def downgrade() -> None:
    """Revoked jobs run again, if they still wait."""
    op.execute("DELETE FROM retention_steps WHERE step = 'job_revocations'")
    op.execute("DROP INDEX jobs_by_api_key")
    op.execute("DROP TABLE dropped_items, job_revocations")
