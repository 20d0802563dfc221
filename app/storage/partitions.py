"""Partitions by day: made ahead, dropped when their time is over.

A row whose day has no partition falls into the default one. From then on PostgreSQL refuses to make that day's
partition, until the row has left the default one (BR-05). So the row moves in the transaction that makes the partition.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from app.storage.availability import is_away
from app.storage.ddl import change_briefly
from app.storage.identifiers import first_id_at

#: Partitions made ahead, in days: the command may fail for a long weekend before rows fall into the default one.
DAYS_AHEAD = 4

#: A partition, and the statements that change it together.
Change = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionedTable:
    """A table with a partition a day. `key` is what it is partitioned by; `by_id`: a UUIDv7, else a time."""

    name: str
    key: str
    by_id: bool = True

    @property
    def default(self) -> str:
        """The partition of the rows that have no other."""
        return f"{self.name}_default"

    def bound(self, moment: datetime) -> str:
        """The smallest key of a moment."""
        return str(first_id_at(moment)) if self.by_id else moment.isoformat()


TABLES = (
    PartitionedTable(name="jobs", key="job_id"),
    PartitionedTable(name="dropped_items", key="job_id"),
    PartitionedTable(name="outbox", key="message_id"),
    PartitionedTable(name="task_failures", key="failure_id"),
    PartitionedTable(name="batches", key="batch_id"),
    PartitionedTable(name="batch_chunks", key="batch_id"),
    PartitionedTable(name="batch_uploads", key="batch_id"),
    PartitionedTable(name="events", key="stored_at", by_id=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The partitions that were changed, and those that the next run has to change, each with the reason."""

    done: tuple[str, ...] = ()
    put_off: tuple[tuple[str, str], ...] = ()


def partition_name(table: str, day: datetime) -> str:
    """`jobs_20261122`: the day is read back from the name when partitions are dropped."""
    return f"{table}_{day:%Y%m%d}"


def statements(table: PartitionedTable, day: datetime) -> tuple[str, ...]:
    """What makes the partition of a UTC day, its rows out of the default one included; for one transaction.

    ATTACH lets inserts into the other partitions go on, which CREATE TABLE … PARTITION OF does not.
    """
    name, begin, end = partition_name(table.name, day), table.bound(day), table.bound(day + timedelta(days=1))
    move = (
        f"WITH moved AS (DELETE FROM {table.default} WHERE {table.key} >= '{begin}' AND {table.key} < '{end}' "  # noqa: S608 - own names
        f"RETURNING *) INSERT INTO {name} SELECT * FROM moved"
    )
    return (
        f"LOCK TABLE {table.default} IN ACCESS EXCLUSIVE MODE",  # else a row comes in between the move and the attach
        f"CREATE TABLE {name} (LIKE {table.name} INCLUDING ALL)",
        move,
        f"ALTER TABLE {table.name} ATTACH PARTITION {name} FOR VALUES FROM ('{begin}') TO ('{end}')",
    )


def expired(table: str, partitions: list[str], *, now: datetime, keep_days: int) -> list[str]:
    """The partitions whose whole day lies further back than `keep_days`."""
    oldest_kept = partition_name(table, now - timedelta(days=keep_days))
    dated = [name for name in partitions if name.removeprefix(f"{table}_").isdigit()]
    return sorted(name for name in dated if name < oldest_kept)


def create(database: Engine, *, now: datetime | None = None, patience_seconds: float) -> Changes:
    """Make the partitions from today to `DAYS_AHEAD` days on; a day that cannot be had now is put off.

    Raises:
        sqlalchemy.exc.DBAPIError: PostgreSQL is away.
    """
    today = (now or datetime.now(UTC)).replace(hour=0, minute=0, second=0, microsecond=0)
    missing = [
        (partition_name(table.name, day), statements(table, day))
        for table in TABLES
        for existing in (set(names(database, table.name)),)
        for day in (today + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1))
        if partition_name(table.name, day) not in existing
    ]
    return _change_each(database, missing, patience_seconds=patience_seconds)


def drop(database: Engine, *, now: datetime, keep_days: dict[str, int], patience_seconds: float) -> Changes:
    """Drop the partitions whose time is over; one that others read is put off.

    Raises:
        sqlalchemy.exc.DBAPIError: PostgreSQL is away.
    """
    over = [
        (name, (f"DROP TABLE {name}",))
        for table in TABLES
        for name in expired(table.name, names(database, table.name), now=now, keep_days=keep_days[table.name])
        # A broker that was away for a week: what it has not confirmed is not ours to drop.
        if table.name != "outbox" or not _still_pending(database, name)
    ]
    return _change_each(database, over, patience_seconds=patience_seconds)


def names(database: Engine, table: str) -> list[str]:
    """The partitions that a table has."""
    statement = text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = cast(:table AS regclass)")
    with database.connect() as connection:
        return [str(name) for name in connection.execute(statement, {"table": table}).scalars()]


def _change_each(
    database: Engine, changes: Sequence[tuple[str, tuple[str, ...]]], *, patience_seconds: float
) -> Changes:
    """One transaction a partition; the patience is for all of them together."""
    deadline = time.monotonic() + patience_seconds
    done: list[str] = []
    put_off: list[tuple[str, str]] = []
    for name, parts in changes:

        def change(connection: Connection, parts: tuple[str, ...] = parts) -> None:
            for part in parts:
                connection.execute(text(part))

        try:
            change_briefly(database, change, patience_seconds=max(0.0, deadline - time.monotonic()))
        except DBAPIError as error:
            if is_away(error):
                raise
            put_off.append((name, str(error.orig).splitlines()[0]))
        else:
            done.append(name)
    return Changes(done=tuple(done), put_off=tuple(put_off))


def _still_pending(database: Engine, partition: str) -> bool:
    tables = ("outbox_pending", "outbox_held")
    waits = " OR ".join(f"EXISTS (SELECT FROM {partition} JOIN {table} USING (message_id))" for table in tables)
    statement = f"SELECT {waits}"
    with database.connect() as connection:
        return bool(connection.execute(text(statement)).scalar())
