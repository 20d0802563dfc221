"""The steps of the scheduled command `python -m app retention`: each by itself, so that none stops another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import text
from sqlalchemy.engine import Engine

from app.errors import ObjectStoreAwayError
from app.settings import Settings
from app.storage import object_uses, objects, partitions
from app.storage.availability import is_away
from app.storage.partitions import TABLES, Changes, PartitionedTable

#: For how long partitions are tried again while others hold their locks; then they are put off until the next run.
PATIENCE_SECONDS = 120.0
#: Pages read by one DELETE (8 KiB each). A table is walked page by page: no index on a time that every insert would pay
#: for, and no statement that grows with the table (A5).
_PAGES = 4096

_LEAVES = text("""
    SELECT coalesce(relid, :table)::regclass::text AS name, pg_relation_size(coalesce(relid, :table)) / 8192 AS pages
    FROM (SELECT 1) one LEFT JOIN pg_partition_tree(:table) tree ON tree.isleaf
""")
_SUCCEEDED = text("""
    INSERT INTO retention_steps (step, succeeded_at) VALUES (:step, now())
    ON CONFLICT (step) DO UPDATE SET succeeded_at = excluded.succeeded_at
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """What one step did. `error`: why it did not do all of it; `refused`: waiting will not help."""

    step: str
    partitions: tuple[str, ...] = ()
    rows_deleted: int = 0
    error: str | None = None
    refused: bool = False


#: Tables that are not partitioned by time: the column that says how old a row is, and for how many days it is kept.
_OLD: Mapping[str, tuple[str, Callable[[Settings], int]]] = {
    "inbox": ("executed_at", lambda settings: settings.retention_inbox_days),
    "job_revocations": ("revoked_at", lambda settings: settings.retention_jobs_days),
    "results": ("stored_at", lambda settings: settings.retention_results_days),
    "external_calls": ("changed_at", lambda settings: settings.retention_inbox_days),
    # Jobs that died and were not replayed; the inbox forgets their keys after the same time.
    "unique_jobs": ("due_at", lambda settings: settings.retention_inbox_days),
    "checkpoints": ("changed_at", lambda settings: settings.retention_inbox_days),
    "pauses": ("resumed_at", lambda settings: settings.retention_jobs_days),
    "put_back": ("put_back_at", lambda settings: settings.retention_jobs_days),
    "idempotency_keys": ("expires_at", lambda _: 0),
}


def run(
    database: Engine, settings: Settings, *, now: datetime | None = None, patience_seconds: float = PATIENCE_SECONDS
) -> list[StepReport]:
    """Create what is coming, drop what is over. The time of a step's last success stands in `retention_steps`.

    Raises:
        sqlalchemy.exc.DBAPIError: PostgreSQL is away.
    """
    moment = now or datetime.now(UTC)
    keep_days = {
        "jobs": settings.retention_jobs_days,
        "dropped_items": settings.retention_jobs_days,
        "outbox": settings.retention_outbox_days,
        "task_failures": settings.retention_jobs_days,
        "batches": settings.retention_jobs_days,
        "batch_chunks": settings.retention_jobs_days,
        "batch_uploads": settings.retention_jobs_days,
        "events": settings.retention_events_days,
    }

    def create() -> StepReport:
        changes = partitions.create(database, now=moment, patience_seconds=patience_seconds)
        return _of_partitions("create_partitions", changes)

    def drop() -> StepReport:
        changes = partitions.drop(database, now=moment, keep_days=keep_days, patience_seconds=patience_seconds)
        return _of_partitions("drop_partitions", changes)

    def defaults() -> StepReport:
        return StepReport(
            step="default_partitions",
            rows_deleted=sum(_delete_default(database, table, moment, keep_days) for table in TABLES),
        )

    def old_rows(table: str) -> StepReport:
        column, days = _OLD[table]
        before = moment - timedelta(days=days(settings))
        return StepReport(step=table, rows_deleted=_delete(database, table, f"{column} < :before", before))

    def unused_objects() -> StepReport:
        if not objects.configured():
            return StepReport(step="objects")
        try:
            before = moment - timedelta(days=settings.retention_objects_days)
            return StepReport(step="objects", rows_deleted=object_uses.remove_unused(database, before))
        except ObjectStoreAwayError as error:
            return StepReport(step="objects", error=str(error))

    steps: Mapping[str, Callable[[], StepReport]] = {
        "create_partitions": create,
        "drop_partitions": drop,
        "default_partitions": defaults,
        **{table: partial(old_rows, table) for table in _OLD},
        "objects": unused_objects,
    }
    return [_run(database, name, step) for name, step in steps.items()]


def _run(database: Engine, name: str, step: Callable[[], StepReport]) -> StepReport:
    try:
        report = step()
        if report.error is None:
            with database.begin() as connection:
                connection.execute(_SUCCEEDED, {"step": name})
    except Exception as error:
        if is_away(error):
            raise
        return StepReport(step=name, error=str(error).splitlines()[0], refused=True)
    return report


def _of_partitions(step: str, changes: Changes) -> StepReport:
    error = "; ".join(f"{name}: {reason}" for name, reason in changes.put_off)
    return StepReport(step=step, partitions=changes.done, error=error or None)


def _delete_default(database: Engine, table: PartitionedTable, now: datetime, keep_days: Mapping[str, int]) -> int:
    """Rows that fell into the default partition: no partition of theirs will ever be dropped."""
    before = now - timedelta(days=keep_days[table.name])
    begin = f"{table.key} < '{table.bound(before)}'"
    if table.name == "outbox":
        begin += " AND NOT EXISTS (SELECT FROM outbox_pending p WHERE p.message_id = t.message_id)"
        begin += " AND NOT EXISTS (SELECT FROM outbox_held h WHERE h.message_id = t.message_id)"
    return _delete(database, table.default, begin, before)


def _delete(database: Engine, table: str, condition: str, before: datetime) -> int:
    deleted = 0
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for leaf in connection.execute(_LEAVES, {"table": table}).all():
            statement = text(
                f"DELETE FROM {leaf.name} t WHERE t.ctid >= cast(:first AS tid) AND t.ctid < cast(:end AS tid) "  # noqa: S608 - own names
                f"AND {condition}"
            )
            for page in range(0, leaf.pages, _PAGES):
                bounds = {"first": f"({page},0)", "end": f"({page + _PAGES},0)", "before": before}
                deleted += connection.execute(statement, bounds).rowcount
    return deleted
