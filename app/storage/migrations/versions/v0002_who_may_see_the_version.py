"""Who waits for the migrations before it starts may read which of them were run (`python -m app wait`)."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ROLES = "gateway, relay, worker, archiver"


def upgrade() -> None:
    """Grant."""
    op.execute(f"GRANT SELECT ON alembic_version TO {_ROLES}")


def downgrade() -> None:
    """Revoke."""
    op.execute(f"REVOKE SELECT ON alembic_version FROM {_ROLES}")
