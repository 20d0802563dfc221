"""Bring the schema to the newest version, and make the partitions of the next days."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from app import contract
from app.errors import QueueStillUsedError, TaskSchemaError
from app.storage import partitions
from app.storage.ddl import change_briefly, giving_way
from app.storage.engine import engine

#: For how long a migration, and then a partition, is tried again while others hold what it needs.
_PATIENCE_SECONDS = 60.0

log = structlog.get_logger(__name__)

_REVISION = text("SELECT version_num FROM alembic_version")
_UNDECLARED = text("""
    SELECT queue, count(*) AS messages FROM outbox_pending WHERE NOT queue = ANY (:declared) GROUP BY queue
""")


def migrate(task_schemas: Mapping[str, str]) -> None:
    """Run all outstanding migrations and what each task declares, then create the next days' partitions.

    Raises:
        TaskSchemaError: PostgreSQL refuses the statements of a task.
        QueueStillUsedError: the outbox holds work for a queue that is not declared; no relay would ever take it.
    """
    giving_way(lambda: command.upgrade(_config(), "head"), patience_seconds=_PATIENCE_SECONDS)
    for task_name, statements in task_schemas.items():
        _change(task_name, statements)
    with engine().begin() as connection:
        _refuse_removed_queues(connection)
    for partition, reason in partitions.create(engine(), patience_seconds=_PATIENCE_SECONDS).put_off:
        # No reason to refuse a deployment: the default partition takes the rows, and retention tries again.
        log.warning("partition_put_off", partition=partition, reason=reason)


def _change(task_name: str, statements: str) -> None:
    try:
        change_briefly(
            engine(),
            # A percent sign is one.
            lambda connection: connection.execution_options(no_parameters=True).exec_driver_sql(statements),
            patience_seconds=_PATIENCE_SECONDS,
        )
    except DBAPIError as error:
        raise TaskSchemaError(f"({task_name}: {str(error.orig).splitlines()[0]})") from error


def _refuse_removed_queues(connection: Connection) -> None:
    waiting = connection.execute(_UNDECLARED, {"declared": list(contract.queue_names())}).all()
    if waiting:
        raise QueueStillUsedError(", ".join(f"{row.queue} ({row.messages} messages in the outbox)" for row in waiting))


def outstanding(connection: Connection) -> str | None:
    """What this image would still migrate, in words; None when there is nothing.

    A revision that this image does not know comes from a newer image: migrations only do what older ones can live with.

    Raises:
        sqlalchemy.exc.DBAPIError: PostgreSQL is away, or nothing was ever migrated.
    """
    script = ScriptDirectory.from_config(_config())
    known = {revision.revision for revision in script.walk_revisions()}
    found, head = connection.execute(_REVISION).scalar(), script.get_current_head()
    if found == head or (found is not None and found not in known):
        return None
    return f"the schema is at {found}, this image needs {head}"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config
