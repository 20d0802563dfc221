"""What is read now and then does not take longer the more a table holds; asked of PostgreSQL's own plans."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import TextClause, create_engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

from app.contract import Role
from app.storage import object_uses, outbox
from tests.harness.stack import Stack

_MANY = 20_000
#: Pages of an index, and what is read ahead.
_SOME = 1000
#: Of an index of 200,000 rows, of which a whole scan reads about 180.
_BLOCKS = 60
_LETTERS = text("""
    INSERT INTO dead_letters (dead_letter_id, fingerprint, state, queue, reason, job_id, keys, attempts, exchange,
                              routing_key, properties, body, died_at)
    SELECT gen_random_uuid(), decode(md5(n::text), 'hex'), 'dead', 'bulk', 'failed', gen_random_uuid(), '{k}', 1, '',
           '', '{}', convert_to('{"$object": "' || encode(sha256(n::text::bytea), 'hex') || '"}', 'UTF8'), now()
    FROM generate_series(1, :many) AS n
""")
_HELD_BACK = text("""
    INSERT INTO outbox_pending (message_id, queue, body_bytes, due_at, available_at)
    SELECT gen_random_uuid(), 'bulk', 1, now(), CASE WHEN n <= 7 THEN now() ELSE 'infinity' END
    FROM generate_series(1, :many) AS n
""")


@pytest.fixture
def owner(single: Stack) -> Iterator[Connection]:
    """A transaction of the owner's that is rolled back."""
    engine = create_engine("postgresql+psycopg://", creator=lambda: single.database(Role.OWNER), poolclass=NullPool)
    with engine.connect() as connection:
        transaction = connection.begin()
        yield connection
        transaction.rollback()


def _read(connection: Connection, statement: TextClause, table: str, **parameters: Any) -> int:
    """The rows of a table that a statement reads, those that it throws away included."""
    plan = connection.execute(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}"), parameters).scalar_one()
    nodes, read = [plan[0]["Plan"]], 0
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if node.get("Relation Name") == table:
            read += (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return int(read)


def test_the_search_for_named_contents_reads_pages(owner: Connection) -> None:
    """One statement that looked into every dead letter met its time-out, and then nothing was ever removed."""
    owner.execute(_LETTERS, {"many": _MANY})
    owner.execute(text("ANALYZE dead_letters"))
    letters = object_uses._SEARCHES[0]
    page = {"after": UUID(int=0), "before": datetime.now(UTC), "rows": object_uses._PAGE_ROWS}

    assert 0 < _read(owner, letters, "dead_letters", **page) <= _SOME
    found = [key for keys in object_uses._pages(owner, letters, datetime.now(UTC)) for key in keys]
    assert len(set(found)) == len(found) >= _MANY


def test_the_backlog_does_not_read_what_waits_for_its_turn(owner: Connection) -> None:
    """A line that stands still made every look at the outbox slower, twice a second in every gateway."""
    owner.execute(_HELD_BACK, {"many": 10 * _MANY})
    owner.execute(text("ANALYZE outbox_pending"))

    [bulk] = [row for row in owner.execute(outbox.BACKLOG) if row.queue == "bulk"]
    assert bulk.messages == 7
    plan = owner.execute(text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {outbox.BACKLOG.text}")).scalar_one()
    assert plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"] <= _BLOCKS
