"""Rows move, tables do not grow for ever: partitions are made ahead and dropped, and nothing stops that for good."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from app.contract import Role
from app.settings import Settings
from app.storage import migrate, retention
from app.storage.identifiers import first_id_at
from app.storage.partitions import TABLES, partition_name, statements
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

OLD_DAYS = 200
AHEAD_DAYS = 3


def _partitions(stack: Stack, table: str) -> set[str]:
    rows = stack.query("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", table)
    return {name for (name,) in rows}


def _owner(stack: Stack, *, statement_timeout_seconds: int = 20) -> Engine:
    """An engine of this process, as retention has one."""

    def connect() -> psycopg.Connection:
        session = stack.database(Role.OWNER)
        session.execute(f"SET statement_timeout = '{statement_timeout_seconds}s'")
        session.autocommit = False
        return session

    return create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)


@pytest.fixture
def today() -> datetime:
    """Where the day began, in UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def test_partitions_come_and_go(single: Stack, today: datetime) -> None:
    """One run makes the coming days' partitions and drops the old ones, but never what no broker has confirmed.

    A row of a coming day that fell into the default partition moves into that day's (A4, BR-05).
    """
    ahead = today + timedelta(days=AHEAD_DAYS)
    old, older = today - timedelta(days=OLD_DAYS), today - timedelta(days=OLD_DAYS + 1)
    for table in TABLES:
        for day in (old, older):
            single.query("; ".join(statements(table, day)), role=Role.OWNER)
        single.query(f"DROP TABLE IF EXISTS {partition_name(table.name, ahead)}", role=Role.OWNER)
    early = single.query(
        "INSERT INTO jobs (job_id, task_name, queue, keys, api_key_id, correlation_id, traceparent)"
        " VALUES (%s, 'any', 'bulk', '{}', '', '', '') RETURNING job_id, tableoid::regclass::text",
        first_id_at(ahead + timedelta(hours=1)),
        role=Role.OWNER,
    )
    assert early[0][1] == "jobs_default"
    pending = single.query(
        f"""
        WITH m AS (
            INSERT INTO {partition_name("outbox", old)}
                (message_id, task_id, task_name, queue, properties, body)
            SELECT (pg_catalog.substring(pg_get_expr(relpartbound, oid), '''([0-9a-f-]+)'''))::uuid,
                gen_random_uuid(), 't', 'external', '{{}}', 'x'
            FROM pg_class WHERE relname = '{partition_name("outbox", old)}' RETURNING message_id
        )
        INSERT INTO outbox_pending (message_id, queue, body_bytes, due_at, available_at)
        SELECT message_id, 'external', 1, now(), now() + interval '1 day' FROM m RETURNING message_id
        """,
        role=Role.OWNER,
    )
    try:
        single.run("retention", "retention")
        for table in TABLES:
            kept = _partitions(single, table.name)
            assert partition_name(table.name, ahead) in kept
            assert partition_name(table.name, older) not in kept
            assert (partition_name(table.name, old) in kept) == (table.name == "outbox")
        found = single.query("SELECT tableoid::regclass::text FROM jobs WHERE job_id = %s", early[0][0])
        assert found == [(partition_name("jobs", ahead),)]
    finally:
        single.query("DELETE FROM outbox_pending WHERE message_id = %s", *pending[0], role=Role.OWNER)
        single.query("DELETE FROM jobs WHERE job_id = %s", early[0][0], role=Role.OWNER)
    retention.run(_owner(single), Settings(), patience_seconds=30)
    assert partition_name("outbox", old) not in _partitions(single, "outbox")


def test_one_step_that_cannot_work_stops_no_other(single: Stack, today: datetime) -> None:
    """A5, BR-21: behind a long reader partitions are put off; behind a locked inbox the keys are still deleted."""
    single.query(f"DROP TABLE IF EXISTS {partition_name('jobs', today + timedelta(days=AHEAD_DAYS))}", role=Role.OWNER)
    single.query(
        "INSERT INTO inbox (dedupe_key, attempts, executed_at)"
        " SELECT gen_random_uuid(), 1, now() - interval '1 year' FROM generate_series(1, 100)",
        role=Role.OWNER,
    )
    single.query(
        "INSERT INTO idempotency_keys VALUES ('k', gen_random_uuid()::text, '', gen_random_uuid(), now());"
        "INSERT INTO results VALUES ('t', 'SUCCESS', '{}', now() - interval '200 days');"
        "INSERT INTO external_calls (request_id, far_side, task_name, changed_at)"
        " VALUES (gen_random_uuid(), 'f', 't', now() - interval '200 days')",
        role=Role.OWNER,
    )
    engine = _owner(single, statement_timeout_seconds=10)
    with single.database(Role.AUDITOR) as reader, single.database(Role.OWNER) as writer, writer.transaction():
        reader.execute("BEGIN")
        reader.execute("SELECT FROM jobs LIMIT 1")
        writer.execute("SELECT FROM inbox WHERE executed_at < now() - interval '300 days' FOR UPDATE")
        reports = {report.step: report for report in retention.run(engine, Settings(), patience_seconds=0)}

        assert "lock timeout" in str(reports["create_partitions"].error)
        assert not reports["create_partitions"].refused
        assert "statement timeout" in str(reports["inbox"].error)
        assert reports["idempotency_keys"].rows_deleted >= 1
        assert reports["results"].rows_deleted == reports["external_calls"].rows_deleted == 1

    again = {report.step: report for report in retention.run(engine, Settings(), patience_seconds=30)}
    assert [report.error for report in again.values()] == [None] * len(again)
    assert partition_name("jobs", today + timedelta(days=AHEAD_DAYS)) in again["create_partitions"].partitions
    assert again["inbox"].rows_deleted == 100


def test_what_stays_in_a_default_partition_ends_there(single: Stack, today: datetime) -> None:
    """A4: no partition of an old row in a default one is ever dropped; what no broker has confirmed stays."""
    old = first_id_at(today - timedelta(days=OLD_DAYS))
    kept = first_id_at(today - timedelta(days=OLD_DAYS - 1))
    for message_id in (old, kept):
        single.query(
            "INSERT INTO outbox (message_id, task_id, task_name, queue, properties, body)"
            " VALUES (%s, gen_random_uuid(), 't', 'external', '{}', 'x')",
            message_id, role=Role.OWNER,
        )  # fmt: skip
    single.query(
        "INSERT INTO outbox_pending VALUES (%s, 'external', now(), now() + interval '1 day', 1)", kept, role=Role.OWNER
    )
    try:
        retention.run(_owner(single), Settings(), patience_seconds=30)
        assert single.query("SELECT message_id FROM outbox_default") == [(kept,)]
    finally:
        single.query("DELETE FROM outbox_pending WHERE message_id = %s", kept, role=Role.OWNER)
        single.query("DELETE FROM outbox_default", role=Role.OWNER)


def test_a_migration_takes_the_time_it_needs(single: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """BR-29: the role's statement time-out is not the migrations': here one waits for another that is long at it."""
    engine = _owner(single, statement_timeout_seconds=1)
    monkeypatch.setattr("app.storage.engine.engine", lambda: engine)
    monkeypatch.setattr(migrate, "engine", lambda: engine)
    waiting = (
        "SELECT pid FROM pg_stat_activity WHERE usename = 'owner' AND wait_event_type = 'Lock'"
        " AND starts_with(query, 'SELECT pg_advisory_xact_lock') AND now() - query_start > interval '2 s'"
    )
    with ThreadPoolExecutor() as pool, single.database(Role.OWNER) as other:
        other.execute("SELECT pg_advisory_lock(5671001)")
        migration = pool.submit(migrate.migrate, {})
        try:
            eventually(lambda: migration.done() or single.query(waiting, role=Role.OWNER), what="it waits")
        finally:
            other.close()
        migration.result()
