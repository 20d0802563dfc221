"""Partitions made ahead and dropped when their time is over; the scheduled command `python -m app retention`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.engine import Connection

from app.settings import Settings
from app.storage.identifiers import first_id_at

#: Partitions made ahead, in days: the command may fail for a long weekend before rows fall into the default one.
DAYS_AHEAD = 4
#: Rows deleted per statement where rows must be deleted: short transactions, no long locks.
DELETE_BATCH = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionedTable:
    """A table with a partition a day; `by_id`: bounds are UUIDv7s, else timestamps."""

    name: str
    by_id: bool


TABLES = (
    PartitionedTable(name="jobs", by_id=True),
    PartitionedTable(name="outbox", by_id=True),
    PartitionedTable(name="task_failures", by_id=True),
    PartitionedTable(name="events", by_id=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionReport:
    """What one run did."""

    partitions_created: tuple[str, ...]
    partitions_dropped: tuple[str, ...]
    inbox_rows_deleted: int
    idempotency_keys_deleted: int


def partition_name(table: str, day: datetime) -> str:
    """`jobs_20261122`: the day is read back from the name when partitions are dropped."""
    return f"{table}_{day:%Y%m%d}"


def partition_statement(table: PartitionedTable, day: datetime) -> str:
    """The DDL of one day's partition; UTC days."""
    begin, end = day, day + timedelta(days=1)
    bounds = (first_id_at(begin), first_id_at(end)) if table.by_id else (begin.isoformat(), end.isoformat())
    return (
        f"CREATE TABLE IF NOT EXISTS {partition_name(table.name, day)} PARTITION OF {table.name} "
        f"FOR VALUES FROM ('{bounds[0]}') TO ('{bounds[1]}')"
    )


def expired(table: str, partitions: list[str], *, now: datetime, keep_days: int) -> list[str]:
    """The partitions whose whole day lies further back than `keep_days`."""
    oldest_kept = partition_name(table, now - timedelta(days=keep_days))
    dated = [name for name in partitions if name.removeprefix(f"{table}_").isdigit()]
    return sorted(name for name in dated if name < oldest_kept)


def create_partitions(connection: Connection, *, now: datetime | None = None) -> tuple[str, ...]:
    """Make the partitions from today to `DAYS_AHEAD` days on; those that exist stay as they are."""
    today = (now or datetime.now(UTC)).replace(hour=0, minute=0, second=0, microsecond=0)
    created: list[str] = []
    for table in TABLES:
        existing = set(_partitions(connection, table.name))
        for ahead in range(DAYS_AHEAD + 1):
            day = today + timedelta(days=ahead)
            if partition_name(table.name, day) not in existing:
                connection.execute(text(partition_statement(table, day)))
                created.append(partition_name(table.name, day))
    return tuple(created)


def run(connection: Connection, settings: Settings, *, now: datetime | None = None) -> RetentionReport:
    """Create what is coming, drop what is over. Each statement commits by itself: pass an autocommit connection."""
    now = now or datetime.now(UTC)
    created = create_partitions(connection, now=now)
    keep_days = {
        "jobs": settings.retention_jobs_days,
        "outbox": settings.retention_outbox_days,
        "task_failures": settings.retention_jobs_days,
        "events": settings.retention_events_days,
    }
    dropped: list[str] = []
    for table in TABLES:
        names = expired(table.name, _partitions(connection, table.name), now=now, keep_days=keep_days[table.name])
        for name in names:
            if table.name == "outbox" and _still_pending(connection, name):
                continue  # a broker that was away for a week: what it has not confirmed is not ours to drop
            connection.execute(text(f"DROP TABLE {name}"))
            dropped.append(name)
    return RetentionReport(
        partitions_created=created,
        partitions_dropped=tuple(dropped),
        inbox_rows_deleted=_delete_in_batches(
            connection, "inbox", "executed_at", now - timedelta(days=settings.retention_inbox_days)
        ),
        idempotency_keys_deleted=_delete_in_batches(connection, "idempotency_keys", "expires_at", now),
    )


def _partitions(connection: Connection, table: str) -> list[str]:
    rows = connection.execute(
        text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = cast(:table AS regclass)"),
        {"table": table},
    )
    return [str(name) for name in rows.scalars()]


def _still_pending(connection: Connection, partition: str) -> bool:
    statement = f"SELECT EXISTS (SELECT FROM {partition} JOIN outbox_pending USING (message_id))"  # noqa: S608 - own name
    return bool(connection.execute(text(statement)).scalar())


def _delete_in_batches(connection: Connection, table: str, column: str, before: datetime) -> int:
    statement = text(
        f"DELETE FROM {table} t USING (SELECT tableoid, ctid FROM {table} WHERE {column} < :before LIMIT :most) old "  # noqa: S608
        "WHERE t.ctid = old.ctid AND t.tableoid = old.tableoid"
    )
    total = 0
    while deleted := connection.execute(statement, {"before": before, "most": DELETE_BATCH}).rowcount:
        total += deleted
    return total
