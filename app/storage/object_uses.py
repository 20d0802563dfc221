"""When each content in S3 was last used, and the removal of what nobody refers to any more.

Whoever stores marks the use first. Retention deletes the row, removes the content, then commits: a mark that comes at
the same time waits for that commit, and then finds that the content has to be stored again. A content that a dead
letter or a message in the outbox names is kept, however old it is.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.engine import Engine

from app.storage import objects
from app.storage.engine import autocommit

#: In psycopg's words, for the gateway too.
MARK = """
    INSERT INTO objects (key, used_at) VALUES (%(key)s, now())
    ON CONFLICT (key) DO UPDATE SET used_at = excluded.used_at
"""
# A content without a row: the database was restored from an older backup. It is old enough, so it has its turn now.
_ADOPT = text("INSERT INTO objects (key, used_at) VALUES (:key, :stored_at) ON CONFLICT DO NOTHING")
_DUE = text("SELECT key FROM objects WHERE used_at < :before ORDER BY key")
# Whatever looks like a key in a body counts: an item's reference, and a key that an item names in a member of its own.
_NAMED = text("""
    SELECT DISTINCT found[1] FROM (
        SELECT body FROM dead_letters d WHERE state = 'dead' OR (state = 'replayed' AND EXISTS (
            SELECT FROM dead_letter_actions a WHERE a.dead_letter_id = d.dead_letter_id AND a.acted_at >= :before))
        UNION ALL SELECT body FROM outbox_pending JOIN outbox USING (message_id)
        UNION ALL SELECT body FROM outbox_held JOIN outbox USING (message_id)
    ) b, regexp_matches(encode(b.body, 'escape'), '\\m[0-9a-f]{64}\\M', 'g') AS found
""")
_FORGET = text("DELETE FROM objects WHERE key = :key AND used_at < :before")


def mark(key: str) -> None:
    """Say that a content is used now; before it is stored."""
    with autocommit().connect() as connection:
        connection.exec_driver_sql(MARK, {"key": key})


def remove_unused(database: Engine, before: datetime) -> int:
    """Remove the contents that were last used before a moment and that nothing names; returns their number.

    Raises:
        ObjectStoreAwayError: S3 is away; those that are left have their turn next time.
    """
    if stored := [{"key": key, "stored_at": at} for key, at in objects.keys_before(before)]:
        with database.begin() as connection:
            connection.execute(_ADOPT, stored)
    with database.connect() as connection:
        due = set(connection.execute(_DUE, {"before": before}).scalars())
        if due:
            due -= set(connection.execute(_NAMED, {"before": before}).scalars())
    removed = 0
    for key in sorted(due):
        with database.begin() as connection:
            if connection.execute(_FORGET, {"key": key, "before": before}).rowcount:
                objects.remove(key)
                removed += 1
    return removed
