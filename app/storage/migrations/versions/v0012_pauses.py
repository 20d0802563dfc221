"""Tables of pauses: what is paused, and the messages that wait for its resume."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# Held messages leave `outbox_pending`: claims, the backlog and load shedding never read them, however many there are.
_TABLES = """
CREATE TABLE pauses (
    pause_id uuid PRIMARY KEY, kind text NOT NULL CHECK (kind IN ('queue', 'task')), name text NOT NULL,
    paused_at timestamptz NOT NULL DEFAULT now(), paused_by text NOT NULL, note text NOT NULL,
    resumed_at timestamptz, resumed_by text
);
CREATE UNIQUE INDEX pauses_in_force ON pauses (kind, name) WHERE resumed_at IS NULL;
CREATE TABLE outbox_held (
    message_id uuid PRIMARY KEY, pause_id uuid NOT NULL REFERENCES pauses, job_id uuid, queue text NOT NULL,
    body_bytes integer NOT NULL, due_at timestamptz NOT NULL
);
CREATE INDEX outbox_held_by_pause ON outbox_held (pause_id, due_at);
CREATE INDEX outbox_held_by_job ON outbox_held (job_id) WHERE job_id IS NOT NULL;
GRANT SELECT, INSERT, UPDATE (resumed_at, resumed_by) ON pauses TO operator;
GRANT SELECT ON pauses TO relay, worker, auditor;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox_held TO relay;
GRANT INSERT ON outbox_pending TO relay;
GRANT SELECT ON outbox_held TO gateway, operator, auditor;
"""


def upgrade() -> None:
    """Create the tables, and count the new step of retention as done now, as migration 0004 did for the others."""
    op.execute(_TABLES)
    op.execute("INSERT INTO retention_steps VALUES ('pauses', now())")


def downgrade() -> None:
    """Put held messages back into the outbox: all pauses end."""
    op.execute("DELETE FROM retention_steps WHERE step = 'pauses'")
    op.execute("""
        INSERT INTO outbox_pending (message_id, queue, body_bytes, due_at, available_at)
        SELECT message_id, queue, body_bytes, due_at, now() FROM outbox_held
    """)
    op.execute("REVOKE INSERT ON outbox_pending FROM relay")
    op.execute("DROP TABLE outbox_held, pauses")
