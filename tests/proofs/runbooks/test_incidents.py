"""Pages whose incident is made on the local stack: the diagnosis shows it, the mitigation ends it."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from infra.local.state import REPOSITORY
from tests.harness import runbooks
from tests.harness.waiting import PATIENCE_SECONDS, eventually

Shell = Callable[[str], subprocess.CompletedProcess[str]]

COMPOSE = ".venv/bin/python -m infra.local compose"
PSQL = "psql -h /run/postgresql -d millrace"
QUEUE = "bulk"


def _commands(page: str, section: str, place: str, word: str) -> list[str]:
    """The commands of one section that have this word in them, one at least."""
    own = runbooks.commands(REPOSITORY / "runbooks" / f"{page}.md")
    found = [one.text for one in own if (one.section, one.place) == (section, place) and word in one.text]
    assert found, f"{page}, {section}: no command with {word}"
    return found


def _queues(text: str) -> dict[str, list[str]]:
    """`list_queues` as a person reads it: name to the other columns."""
    return {words[0]: words[1:] for line in text.splitlines() if (words := line.split()) and line[0] != "{"}


def test_a_missing_queue_is_declared_again(shell: Shell) -> None:
    """QueueMissing: the list lacks it; after the mitigation it is there, running, and consumed."""
    [lists] = _commands("QueueMissing", "Diagnosis", "compose", "list_queues")
    [declare] = _commands("QueueMissing", "Mitigation", "compose", "topology")
    [verify] = _commands("QueueMissing", "Verification", "compose", "list_queues")
    assert QUEUE in _queues(shell(lists).stdout)

    gone = shell(f"{COMPOSE} exec -T rabbitmq-1 rabbitmqctl delete_queue -p millrace {QUEUE}")
    assert gone.returncode == 0, gone.stderr
    assert QUEUE not in _queues(shell(lists).stdout)
    for command in _commands("QueueMissing", "Diagnosis", "compose", ""):
        assert shell(command).returncode == 0, command

    done = shell(declare)
    assert done.returncode == 0, done.stdout + done.stderr
    kind, state, leader = _queues(shell(lists).stdout)[QUEUE]
    assert (kind, state) == ("quorum", "running"), leader
    eventually(
        lambda: int(_queues(shell(verify).stdout)[QUEUE][-1]) > 0,
        what=f"somebody consumes {QUEUE} again", every=2,
    )  # fmt: skip


@contextmanager
def _session(variables: dict[str, str], statements: str) -> Iterator[subprocess.Popen[str]]:
    """A session that executes these statements and stays open in its transaction."""
    command = [*shlex.split(f"{COMPOSE} exec -T postgresql {PSQL} -v ON_ERROR_STOP=1")]
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=variables, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as session:
        assert session.stdin
        try:
            session.stdin.write(statements + "\n")
            session.stdin.flush()
            yield session
        finally:
            session.kill()


def test_what_holds_a_migration_is_named_and_ended(shell: Shell, variables: dict[str, str]) -> None:
    """MigrationStuck: an idle transaction holds a table, and another session waits for it."""
    [asks] = _commands("MigrationStuck", "Diagnosis", "kubernetes", "pg_blocking_pids")
    [ends] = _commands("MigrationStuck", "Mitigation", "kubernetes", "pg_terminate_backend")
    ask, end = (f"{COMPOSE} exec -T postgresql {one.partition(' -- ')[2]}" for one in (asks, ends))
    table = "runbook_probe"

    def sql(statement: str) -> subprocess.CompletedProcess[str]:
        return shell(f'{COMPOSE} exec -T postgresql {PSQL} -c "{statement}"')

    def holder() -> str | None:
        found = re.search(rf"LOCK TABLE {table}.*?\| +(\d+) \|[^|]+\| idle in transaction", shell(ask).stdout)
        return found[1] if found else None

    assert sql(f"CREATE TABLE {table} ()").returncode == 0
    try:
        held = f"BEGIN; SELECT * FROM {table};"
        waits = f"BEGIN; LOCK TABLE {table}; \\q"
        with _session(variables, held):
            locked = f"SELECT mode FROM pg_locks WHERE relation = '{table}'::regclass"
            eventually(lambda: "AccessShareLock" in sql(locked).stdout, what="the table is held", every=1)
            with _session(variables, waits) as migration:
                pid = eventually(holder, what="the query names who waits and who holds", every=1)
                ended = shell(end.replace("PID", str(pid)))
                assert ended.returncode == 0, ended.stderr
                assert migration.wait(PATIENCE_SECONDS) == 0
    finally:
        sql(f"DROP TABLE {table}")
