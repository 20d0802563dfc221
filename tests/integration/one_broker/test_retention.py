"""Rows move, tables do not grow for ever: partitions are made ahead and dropped when their time is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.contract import Role
from app.storage.retention import TABLES, partition_name, partition_statement
from tests.harness.stack import Stack

OLD_DAYS = 200


def _partitions(stack: Stack, table: str) -> set[str]:
    rows = stack.query("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", table)
    return {name for (name,) in rows}


def test_partitions_come_and_go(single: Stack) -> None:
    """One run makes the coming days' partitions and drops the old ones, but never what no broker has confirmed."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    old, older = today - timedelta(days=OLD_DAYS), today - timedelta(days=OLD_DAYS + 1)
    for table in TABLES:
        for day in (old, older):
            single.query(partition_statement(table, day), role=Role.OWNER)
        single.query(f"DROP TABLE IF EXISTS {partition_name(table.name, today + timedelta(days=3))}", role=Role.OWNER)
    pending = single.query(
        f"""
        WITH m AS (
            INSERT INTO {partition_name("outbox", old)}
                (message_id, task_id, task_name, queue, exchange, routing_key, properties, body)
            SELECT (pg_catalog.substring(pg_get_expr(relpartbound, oid), '''([0-9a-f-]+)'''))::uuid,
                gen_random_uuid(), 't', 'external', 'tasks', 'external', '{{}}', 'x'
            FROM pg_class WHERE relname = '{partition_name("outbox", old)}' RETURNING message_id
        )
        INSERT INTO outbox_pending (message_id, queue, attempts, due_at, available_at)
        SELECT message_id, 'external', 0, now(), now() + interval '1 day' FROM m RETURNING message_id
        """,
        role=Role.OWNER,
    )
    try:
        single.run("retention", "retention")
        for table in TABLES:
            kept = _partitions(single, table.name)
            assert partition_name(table.name, today + timedelta(days=3)) in kept
            assert partition_name(table.name, older) not in kept
            assert (partition_name(table.name, old) in kept) == (table.name == "outbox")
    finally:
        single.query("DELETE FROM outbox_pending WHERE message_id = %s", *pending[0], role=Role.OWNER)
    single.run("retention", "retention")
    assert partition_name("outbox", old) not in _partitions(single, "outbox")
