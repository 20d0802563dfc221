"""Each migration can be undone and done again, on a PostgreSQL that only this test uses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from alembic import command
from alembic.script import ScriptDirectory

from app import contract
from app.contract import Role
from app.storage import migrate
from infra.local import secrets, settings_files
from tests.harness.stack import Stack


class OnlyPostgreSQL(Stack):
    """A server with its roles and without any migration."""

    def start(self) -> None:
        """Start it."""
        secrets.write_secrets(self.state)
        settings_files.write_settings(self.state, self.version, self.nodes)
        self._network.create()
        self._create("postgresql")
        self.wait("postgresql")

    def schema(self) -> list[str]:
        """What pg_dump writes of the schema, sorted: tables, columns, indexes, checks, functions, rights."""
        words = ("pg_dump", "--host", "/run/postgresql", "--schema-only", contract.POSTGRESQL_DATABASE)
        lines = self.machines["postgresql"].execute(*words).splitlines()
        # A random word begins and ends each dump.
        return sorted(line.rstrip(",") for line in lines if not line.startswith("\\"))


@pytest.fixture
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnlyPostgreSQL]:
    """A server of its own, because some steps back cannot keep the data of the other servers."""
    folder = tmp_path_factory.mktemp("migrations")
    for part in (folder, folder.parent, folder.parent.parent):
        part.chmod(0o711)
    stack = OnlyPostgreSQL("migrations", folder)
    try:
        stack.start()
        yield stack
    finally:
        stack.close()


def test_each_migration_can_be_undone(postgresql: OnlyPostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Step by step down and up again: each schema, rights included, is the one of the first way up."""
    monkeypatch.setattr("app.storage.engine.engine", partial(postgresql.engine, Role.OWNER))
    config = migrate._config()
    up = [step.revision for step in reversed(list(ScriptDirectory.from_config(config).walk_revisions()))]
    on_the_way: dict[str, list[str]] = {}
    for revision in up:
        command.upgrade(config, revision)
        on_the_way[revision] = postgresql.schema()

    for revision in reversed(up[:-1]):
        command.downgrade(config, revision)
        assert postgresql.schema() == on_the_way[revision], f"after the step back to {revision}"
    command.downgrade(config, "base")
    assert (
        postgresql.query("SELECT 1 FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'") == []
    )
    command.upgrade(config, "head")
    assert postgresql.schema() == on_the_way[up[-1]]
