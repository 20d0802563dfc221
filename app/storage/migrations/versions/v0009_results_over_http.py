"""Lets the gateway read results, and refuses a rate that is not a number (BR-13)."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Grant and constrain. NaN is above all numbers in PostgreSQL, so only an upper bound refuses NaN."""
    op.execute("GRANT SELECT ON results TO gateway")
    op.execute(
        "ALTER TABLE api_keys ADD CONSTRAINT api_keys_rate_is_finite"
        " CHECK (requests_per_second BETWEEN 0.02 AND 1000000)"
    )


def downgrade() -> None:
    """Drop the constraint and the grant."""
    op.execute("ALTER TABLE api_keys DROP CONSTRAINT api_keys_rate_is_finite")
    op.execute("REVOKE SELECT ON results FROM gateway")
