"""Who stored each content, and how long it is: an API key stores so many bytes a day."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_COLUMNS = """
ALTER TABLE objects ADD COLUMN api_key_id text, ADD COLUMN counted_bytes bigint, ADD COLUMN stored_at timestamptz;
CREATE INDEX objects_by_api_key ON objects (api_key_id, stored_at) INCLUDE (counted_bytes)
    WHERE api_key_id IS NOT NULL;
"""
# Each statement of the function sees what was committed before it, so the sum has what others stored before the lock.
# now() is from before the lock.
_COUNT = """
CREATE FUNCTION count_object(new_key text, of_api_key text, new_bytes bigint, bytes_a_day bigint) RETURNS float8
LANGUAGE plpgsql AS $$
DECLARE
    room_at timestamptz;
BEGIN
    UPDATE objects SET used_at = now() WHERE key = new_key;
    IF FOUND THEN
        RETURN 0;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('objects of ' || of_api_key, 0));
    SELECT max(stored_at) + interval '1 day' INTO room_at FROM (
        SELECT stored_at, sum(counted_bytes) OVER (ORDER BY stored_at DESC) AS since
        FROM objects WHERE api_key_id = of_api_key AND stored_at > now() - interval '1 day'
    ) one WHERE since > bytes_a_day - new_bytes;
    IF room_at IS NOT NULL THEN
        RETURN greatest(1, extract(epoch FROM room_at - now()));
    END IF;
    INSERT INTO objects (key, used_at, api_key_id, counted_bytes, stored_at)
    VALUES (new_key, now(), of_api_key, new_bytes, clock_timestamp())
    ON CONFLICT (key) DO UPDATE SET used_at = excluded.used_at;
    RETURN 0;
END
$$;
"""


def upgrade() -> None:
    """Content that is there already counts for nobody."""
    op.execute(_COLUMNS)
    op.execute(_COUNT)


def downgrade() -> None:
    """Forget who stored what."""
    op.execute("DROP FUNCTION count_object")
    op.execute("ALTER TABLE objects DROP COLUMN api_key_id, DROP COLUMN counted_bytes, DROP COLUMN stored_at")
