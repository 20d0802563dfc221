"""A bound of the lines of tasks in order."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# No CHECK: a line that is longer already takes no more items, but its items must be able to end.
_BOUND = """
CREATE FUNCTION refuse_item() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.accepted > OLD.accepted THEN
        RAISE EXCEPTION 'too many items wait in line %', NEW.order_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ordered_keys_bound';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER ordered_keys_bound BEFORE INSERT OR UPDATE OF accepted ON ordered_keys
    FOR EACH ROW WHEN (NEW.accepted - NEW.ended > 10000) EXECUTE FUNCTION refuse_item();
"""


def upgrade() -> None:
    """Refuse items of a line in which too many wait."""
    op.execute(_BOUND)


def downgrade() -> None:
    """Lines grow without a bound again."""
    op.execute("DROP TRIGGER ordered_keys_bound ON ordered_keys")
    op.execute("DROP FUNCTION refuse_item()")
