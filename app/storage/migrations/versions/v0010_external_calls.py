"""Tables for calls of other systems: a row for each call that happens once, and a row for each system."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# A call is `new` (the far side did not take it), `begun` (it may have), or `recorded`. `outcome` is JSON in text: jsonb
# refuses a NUL in a string.
_TABLES = """
CREATE TABLE external_calls (
    request_id uuid PRIMARY KEY, far_side text NOT NULL, task_name text NOT NULL,
    state text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'begun', 'recorded')),
    owner uuid, leased_until timestamptz NOT NULL DEFAULT '-infinity', outcome text,
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE far_sides (
    far_side text PRIMARY KEY, failures_in_a_row int NOT NULL DEFAULT 0,
    open_until timestamptz NOT NULL DEFAULT '-infinity', probed_until timestamptz NOT NULL DEFAULT '-infinity'
);
GRANT SELECT, INSERT, UPDATE ON external_calls, far_sides TO worker;
GRANT SELECT ON external_calls, far_sides TO operator, auditor;
GRANT DELETE ON far_sides TO operator;
"""


def upgrade() -> None:
    """Create the tables; workers write them, the operator may close a breaker by deleting its row."""
    op.execute(_TABLES)
    op.execute("INSERT INTO retention_steps VALUES ('external_calls', now())")


def downgrade() -> None:
    """Drop the tables."""
    op.execute("DELETE FROM retention_steps WHERE step = 'external_calls'")
    op.execute("DROP TABLE external_calls, far_sides")
