"""When each content in S3 was last used, and the removal of what nobody refers to any more.

A caller marks the use before it stores. Retention deletes the row, removes the content, then commits: a mark that comes
at the same time waits for that commit, and its caller then finds that the content has to be stored again. Content that
a dead letter or a message in the outbox names is kept, however old it is.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.engine import Engine

from app.storage import objects
from app.storage.engine import autocommit

#: With psycopg's parameters, because the gateway uses it, too.
MARK = """
    INSERT INTO objects (key, used_at) VALUES (%(key)s, now())
    ON CONFLICT (key) DO UPDATE SET used_at = excluded.used_at
"""
# Content has no row if the database was restored from an older backup. It counts as used when it was stored.
_ADOPT = text("INSERT INTO objects (key, used_at) VALUES (:key, :stored_at) ON CONFLICT DO NOTHING")
_DUE = text("SELECT key FROM objects WHERE used_at < :before ORDER BY key")
# Every text in a body that looks like a key counts: the key of a reference, and a key in a member of an item.
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
    """Record that content is used now; call this before you store it."""
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
