"""When each content in S3 was last used, and the removal of what nobody refers to any more.

A caller marks the use before it stores. Retention deletes the row, removes the content, then commits: a mark that comes
at the same time waits for that commit, and its caller then finds that the content has to be stored again. Content that
a dead letter or a message in the outbox names is kept, however old it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.engine import Connection, Engine

from app.storage import objects

#: With psycopg's parameters, because the gateway uses it, too.
MARK = """
    INSERT INTO objects (key, used_at) VALUES (%(key)s, now())
    ON CONFLICT (key) DO UPDATE SET used_at = excluded.used_at
"""
#: The same for content that counts for an API key. Content that is there or on its way counts only once. Returns the
#: seconds after which there is room for it, or 0 if it may be stored now. With psycopg's parameters.
COUNT = """
    SELECT count_object(%(key)s, %(api_key_id)s, greatest(%(bytes)s, %(bytes_min)s), %(bytes_a_day)s) AS wait_seconds
"""
#: Smaller content counts as so long. This bounds the number of contents of an API key, and the rows that are added up.
COUNTED_BYTES_MIN = 64 * 1024
# Content has no row if the database was restored from an older backup. It counts as used when it was stored.
_ADOPT = text("INSERT INTO objects (key, used_at) VALUES (:key, :stored_at) ON CONFLICT DO NOTHING")
_DUE = text("SELECT key FROM objects WHERE used_at < :before ORDER BY key")
#: Rows that one statement looks into, so that no statement takes longer the longer a table is. Their bodies have
#: 256 KiB at most, unless a program that is not ours sent them.
_PAGE_ROWS = 200
# Every text in a body that looks like a key counts: the key of a reference, and a key in a member of an item. The array
# makes PostgreSQL look each message up in the outbox by its key.
_NAMED = """
    WITH page AS MATERIALIZED (
        SELECT {key} AS id{more} FROM {table} WHERE {key} > :after ORDER BY {key} LIMIT :rows
    ), body AS (
        {bodies}
    )
    SELECT (SELECT max(id::text) FROM page) AS last, ARRAY(
        SELECT DISTINCT found[1]
        FROM body b, regexp_matches(encode(b.body, 'escape'), '\\m[0-9a-f]{{64}}\\M', 'g') AS found
    ) AS keys_
"""
_OF_MESSAGES = "SELECT body FROM outbox WHERE message_id = ANY (ARRAY(SELECT id FROM page))"
_OF_LETTERS = """
    SELECT body FROM page p WHERE state = 'dead' OR (state = 'replayed' AND (
        SELECT true FROM dead_letter_actions a WHERE a.dead_letter_id = p.id AND a.acted_at >= :before LIMIT 1))
"""
_SEARCHES = (
    text(_NAMED.format(table="dead_letters", key="dead_letter_id", more=", state, body", bodies=_OF_LETTERS)),
    text(_NAMED.format(table="outbox_pending", key="message_id", more="", bodies=_OF_MESSAGES)),
    text(_NAMED.format(table="outbox_held", key="message_id", more="", bodies=_OF_MESSAGES)),
)
_FORGET = text("DELETE FROM objects WHERE key = :key AND used_at < :before")


def mark(connection: Connection, key: str) -> None:
    """Record that content is used now; call this before you store it. It locks the row."""
    connection.exec_driver_sql(MARK, {"key": key})


def _pages(connection: Connection, search: TextClause, before: datetime) -> Iterator[Sequence[str]]:
    """Yield the keys that the rows of a table name, a page at a time."""
    after: UUID | None = UUID(int=0)
    while after is not None:
        found = connection.execute(search, {"after": after, "before": before, "rows": _PAGE_ROWS}).one()
        yield found.keys_
        after = None if found.last is None else UUID(found.last)


def remove_unused(database: Engine, before: datetime) -> int:
    """Remove the contents that were last used before a moment and that nothing names; returns their number.

    Raises:
        ObjectStoreAwayError: S3 is away; those that are left have their turn next time.
    """
    if stored := [{"key": key, "stored_at": at} for key, at in objects.keys_before(before)]:
        with database.begin() as connection:
            connection.execute(_ADOPT, stored)
    # One snapshot for all pages, because a message moves between the tables.
    with database.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        due = set(connection.execute(_DUE, {"before": before}).scalars())
        for search in _SEARCHES if due else ():
            for keys in _pages(connection, search, before):
                due.difference_update(keys)
    removed = 0
    for key in sorted(due):
        with database.begin() as connection:
            if connection.execute(_FORGET, {"key": key, "before": before}).rowcount:
                objects.remove(key)
                removed += 1
    return removed
