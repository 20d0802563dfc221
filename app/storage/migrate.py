"""Bring the schema to the newest version, and make the partitions of the next days."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection

from app.storage import retention
from app.storage.engine import engine

_REVISION = text("SELECT version_num FROM alembic_version")


def migrate() -> None:
    """Run all outstanding migrations, then create the next days' partitions."""
    command.upgrade(_config(), "head")
    with engine().begin() as connection:
        retention.create_partitions(connection)


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
