"""The dump of the single instance: after the loss of the database and its disk, everything is as it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from docker.types import Mount

from app.contract import Role
from infra.local import files
from tests.harness import images
from tests.harness.containers import Machine
from tests.harness.load import Load, assert_exact
from tests.harness.services import Service
from tests.harness.stack import PROCESSES, Stack

_TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
#: What the restored catalogue must say as before: partitions with their bounds, owners, grants, indexes, constraints.
_CATALOGUE = """
    SELECT relname, relkind::text, pg_get_userbyid(relowner), relacl::text, reloptions::text,
           pg_get_expr(relpartbound, pg_class.oid),
           (SELECT array_agg(inhparent::regclass::text) FROM pg_inherits WHERE inhrelid = pg_class.oid),
           (SELECT array_agg(pg_get_indexdef(indexrelid) ORDER BY indexrelid::regclass::text) FROM pg_index
            WHERE indrelid = pg_class.oid),
           (SELECT array_agg(pg_get_constraintdef(c.oid) ORDER BY conname) FROM pg_constraint c
            WHERE conrelid = pg_class.oid)
    FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname
"""
_SCHEMA = "SELECT pg_get_userbyid(nspowner), nspacl::text FROM pg_namespace WHERE nspname = 'public'"


class Backups:
    """A stack, and the folder that its dumps go to."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        """Nothing runs yet."""
        self.stack = stack
        self.folder = files.folder(folder)

    def run(self, role: Role, *command: str, **environment: str) -> tuple[int, str]:
        """One of the image's commands, as a Job runs it; its exit code and all that it wrote."""
        service = Service(
            name=f"{role}-job",
            image=images.reference("POSTGRESQL"),
            command=command[1:],
            environment={"PGHOST": "postgresql", "PGUSER": str(role)},
            aliases=(),
            tmpfs=("/tmp",),  # noqa: S108 - in the container
            ports=(),
            mounts={str(self.stack.state.secrets / role): "/run/secrets/millrace"},
            options={
                "entrypoint": [command[0]],
                "mounts": [Mount("/backups", str(self.folder), type="bind")],
                "read_only": True,
                "cap_drop": ["ALL"],
                "security_opt": ["no-new-privileges:true"],
                "mem_limit": "256m",
            },
        )
        machine = Machine(service, self.stack._network, self.stack._prefix, environment=environment)
        machine.start()
        try:
            return machine.wait_ended(), machine.logs()
        finally:
            machine.remove()

    def dumps(self) -> list[Path]:
        """Oldest first."""
        return sorted(self.folder.glob("millrace-*.dump"))

    def back_up(self) -> Path:
        """A new dump."""
        code, said = self.run(Role.BACKUP, "millrace-backup")
        assert code == 0, said
        return self.dumps()[-1]

    def restore(self, name: str, *flags: str) -> tuple[int, str]:
        """Restore a file of the folder."""
        return self.run(Role.OWNER, "millrace-restore", f"/backups/{name}", *flags)

    def contents(self) -> dict[str, tuple[int, str]]:
        """Of each table, partitions one by one: how many rows, and a hash of all that is in them."""
        hashed = "SELECT count(*), md5(coalesce(string_agg(md5(t::text), '' ORDER BY md5(t::text)), '')) FROM {} t"
        rows = self.stack.query(_TABLES, role=Role.OWNER)
        return {name: self.stack.query(hashed.format(name), role=Role.OWNER)[0] for (name,) in rows}

    def catalogue(self) -> list[tuple[object, ...]]:
        """Everything about the tables but their rows."""
        return [*self.stack.query(_CATALOGUE, role=Role.OWNER), *self.stack.query(_SCHEMA, role=Role.OWNER)]


@pytest.fixture(scope="module")
def _backups(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backups]:
    folder = tmp_path_factory.mktemp("backup")
    for part in (folder, folder.parent, folder.parent.parent):
        part.chmod(0o711)
    stack = Stack("backup", folder)
    try:
        stack.start()
        yield Backups(stack, folder / "backups")
    finally:
        stack.close()


@pytest.fixture
def backups(_backups: Backups) -> Backups:
    """The stack with nothing under way and no dump."""
    _backups.stack.heal()
    for path in _backups.folder.iterdir():
        path.unlink()
    return _backups


@pytest.fixture
def filled(backups: Backups, tmp_path: Path) -> Backups:
    """Some hundred events with their jobs and accounts, and nobody who writes any more."""
    with Load(backups.stack, tmp_path / "filled", singles=40, lists=10) as running:
        running.wait_stored(400)
    assert_exact(running.accounting())
    backups.stack.remove(*PROCESSES)
    return backups


def test_database_and_disk_lost(filled: Backups, load: Callable[..., Load]) -> None:
    """A new server, a new disk, the dump: the same rows, partitions and grants; and the processes go on with it."""
    stack = filled.stack
    before, catalogue = filled.contents(), filled.catalogue()
    assert before["events_default"][0] == 0, "the partition of today is in use"
    assert before["events"][0] > 300
    dump = filled.back_up()
    stack.replace("postgresql", environment={})
    assert not stack.query(_TABLES, role=Role.OWNER), "the new disk is empty"
    code, said = filled.restore(dump.name)
    assert code == 0, said
    assert f"public.accounts {before['accounts'][0]}" in said
    assert filled.contents() == before
    assert filled.catalogue() == catalogue
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        stack.query("INSERT INTO accounts VALUES ('thief', 1, 1)", role=Role.AUDITOR)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        stack.query("SELECT * FROM api_keys", role=Role.AUDITOR)
    stack.ensure()
    with load(stack) as running:
        running.wait_stored()
    assert_exact(running.accounting())


def test_damaged_file(filled: Backups) -> None:
    """Cut off anywhere or changed in the middle: refused, and the database is as it was, even with `--replace`."""
    good = filled.back_up().read_bytes()
    before = filled.contents()
    cut = {f"cut-{at}": good[:at] for at in (0, 4, 1000, len(good) // 3, len(good) // 2, len(good) - 1000)}
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 0xFF
    for name, content in {**cut, "flipped": bytes(flipped), "text": b"no dump\n"}.items():
        files.write(filled.folder / name, content)
        code, said = filled.restore(name, "--replace")
        assert code != 0, name
        assert "nothing was changed" in said, f"{name}: {said}"
    assert filled.contents() == before


def test_database_that_holds_rows(filled: Backups) -> None:
    """Refused, with what it holds; told to replace them, the rows of after the dump are gone."""
    dump = filled.back_up()
    before = filled.contents()
    filled.stack.query("INSERT INTO accounts VALUES ('later', 0, 0)", role=Role.OWNER)
    code, said = filled.restore(dump.name)
    assert code == 1
    assert "public.accounts" in said
    assert "nothing was changed" in said
    assert filled.contents() != before
    code, said = filled.restore(dump.name, "--replace")
    assert code == 0, said
    assert filled.contents() == before


def test_schema_without_rows(filled: Backups) -> None:
    """As a deployment leaves it: migrated before anybody thought of the dump."""
    dump = filled.back_up()
    before = filled.contents()
    filled.stack.replace("postgresql", environment={})
    filled.stack.run("migrate")
    code, said = filled.restore(dump.name)
    assert code == 0, said
    assert filled.contents() == before


def test_dump_under_load(backups: Backups, load: Callable[..., Load]) -> None:
    """It is of one moment: accounts add up to nought and to the events, and each event is in the inbox."""
    stack = backups.stack
    stack.ensure()
    with load(stack, singles=60, lists=15) as running:
        running.wait_stored(100)
        dump = backups.back_up()
        running.wait_executed(since=time.time())
    assert_exact(running.accounting())
    stack.remove(*PROCESSES)
    everything = stack.query("SELECT count(*) FROM events")[0][0]
    code, said = backups.restore(dump.name, "--replace")
    assert code == 0, said
    (events,) = stack.query("SELECT count(*) FROM events")[0]
    assert events < everything, "the load went on after the dump"
    assert stack.query("SELECT sum(balance), sum(event_count) FROM accounts") == [(0, events)]
    orphans = """
        SELECT count(*) FROM events JOIN jobs USING (job_id)
        LEFT JOIN inbox ON dedupe_key = dedupe_key(task_name, api_key_id, event_id::text) WHERE dedupe_key IS NULL
    """
    assert stack.query(orphans) == [(0,)]
    unsent = "SELECT count(*) FROM outbox_pending LEFT JOIN outbox USING (message_id) WHERE outbox.message_id IS NULL"
    assert stack.query(unsent) == [(0,)]
    stack.broker.purge()


def test_the_newest_stay(backups: Backups) -> None:
    """So many as asked for; what else lies there is not touched."""
    for name in ("millrace-20200101T000000Z.dump", "millrace-20200102T000000Z.dump", "notes.txt"):
        files.write(backups.folder / name, "x")
    code, said = backups.run(Role.BACKUP, "millrace-backup", MILLRACE_BACKUPS_KEEP="2")
    assert code == 0, said
    names = [path.name for path in backups.dumps()]
    assert len(names) == 2
    assert names[0] == "millrace-20200102T000000Z.dump"
    assert (backups.folder / "notes.txt").exists()


@pytest.mark.parametrize(
    "wrong",
    [{"PGHOST": "nowhere.invalid"}, {"PGUSER": "nobody"}, {"PGDATABASE": "other"}, {"MILLRACE_BACKUPS_KEEP": "0"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_failed_dump(backups: Backups, wrong: dict[str, str]) -> None:
    """It says so by its exit code, leaves nothing half done, and the older ones stay."""
    files.write(backups.folder / "millrace-20200101T000000Z.dump", "x")
    code, _ = backups.run(Role.BACKUP, "millrace-backup", **{"MILLRACE_BACKUPS_KEEP": "1", **wrong})
    assert code != 0
    left = [path.name for path in backups.folder.iterdir() if path.name != ".lock"]
    assert left == ["millrace-20200101T000000Z.dump"]


def test_its_role_only_reads(backups: Backups) -> None:
    """Everything, and nothing else."""
    assert backups.stack.query("SELECT count(*) FROM api_keys", role=Role.BACKUP)[0][0] > 0
    for statement in ("DELETE FROM accounts", "CREATE TABLE t ()", "INSERT INTO accounts VALUES ('x', 0, 0)"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            backups.stack.query(statement, role=Role.BACKUP)
