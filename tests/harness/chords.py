"""Chords on a stack: tasks of their own in its workers, and somebody who sends and asks with the rights of a worker."""

from __future__ import annotations

from typing import Any

from app.contract import Role
from app.failpoints import Failpoint
from infra.local.state import REPOSITORY
from tests.harness.stack import QUICK, Stack

#: Where the worker that ends a chord may die; by the body that is sent then, and what it leaves. A body that must not
#: run twice is declared `once`: after the second point it is published again.
CRASH_POINTS = {
    Failpoint.WORKER_AFTER_CHORD_CLAIM: ("end", "plain"),
    Failpoint.WORKER_AFTER_CHORD_BODY: ("end_once", "once"),
}
_TASKS = {str(REPOSITORY / "tests" / "harness" / "chord_tasks"): "/opt/millrace/chord_tasks"}
_ENVIRONMENT = {**QUICK, "MILLRACE_TASK_PACKAGES": "chord_tasks"}
_TABLES = """
    CREATE TABLE IF NOT EXISTS tasks.parts (chord text NOT NULL, number int NOT NULL);
    CREATE TABLE IF NOT EXISTS tasks.held (chord text NOT NULL, since int NOT NULL);
    CREATE TABLE IF NOT EXISTS tasks.ends (
        chord text NOT NULL, what text NOT NULL, parts int NOT NULL, total int NOT NULL
    )
"""
_SEND = """
import sys
from celery import chord
from app.brokers.transactional import in_transaction
from app.storage.engine import engine
from chord_tasks import tasks

how, name, body, queue, *numbers = sys.argv[1:]
made = chord(
    [tasks.overruns.s() if number == "overruns" else tasks.part.s(chord=name, number=int(number)).set(queue=queue)
     for number in numbers],
    getattr(tasks, body).s(chord=name).on_error(tasks.failed.s(chord=name)),
)
if how == "outside":
    made.delay()
else:
    with engine().connect() as connection:
        transaction = connection.begin()
        with in_transaction(connection):
            made.delay()
        transaction.rollback() if how == "rollback" else transaction.commit()
"""
_ASK = """
import sys
from chord_tasks import tasks
print(getattr(tasks, sys.argv[1]).delay(int(sys.argv[2])).get(timeout=240))
"""

End = tuple[str, int, int]


def prepare(stack: Stack) -> None:
    """Make the tables that the tasks write."""
    stack.query(_TABLES, role=Role.OWNER)


def worker(stack: Stack, name: str = "worker-interactive", *, wait: bool = True, **environment: str) -> None:
    """Start a worker that knows the tasks."""
    stack.replace(name, environment={**_ENVIRONMENT, **environment}, mounts=_TASKS, wait=wait)


def gateway(stack: Stack, **environment: str) -> None:
    """Start a gateway that serves the tasks."""
    stack.replace("gateway", environment={**_ENVIRONMENT, **environment}, mounts=_TASKS)


def send(
    stack: Stack, name: str, numbers: range | list[Any], *, how: str = "outside", body: str = "end",
    queue: str = "interactive",
) -> None:  # fmt: skip
    """Send a chord of a member for each number: `outside` a transaction, in one (`commit`), or `rollback`."""
    _run(stack, _SEND, how, name, body, queue, *map(str, numbers))


def ask(stack: Stack, task: str, number: int) -> str:
    """Send a task and wait for its result, as a client with the rights of a worker does."""
    return _run(stack, _ASK, task, str(number)).split()[-1]


def hold(stack: Stack, name: str, since: int) -> None:
    """Let members of this number and above wait for `let_go`: then the chord is not over before."""
    stack.query("INSERT INTO tasks.held VALUES (%s, %s)", name, since, role=Role.OWNER)


def let_go(stack: Stack, name: str) -> None:
    """Let them run."""
    stack.query("DELETE FROM tasks.held WHERE chord = %s", name, role=Role.OWNER)


def ends(stack: Stack, name: str) -> list[End]:
    """What the body and the errback of a chord left: which of them, results, their sum."""
    return [tuple(row) for row in stack.query("SELECT what, parts, total FROM tasks.ends WHERE chord = %s", name)]


def parts(stack: Stack, name: str) -> list[int]:
    """The numbers that its members left."""
    rows = stack.query("SELECT number FROM tasks.parts WHERE chord = %s ORDER BY number", name)
    return [number for (number,) in rows]


def _run(stack: Stack, script: str, *words: str) -> str:
    return stack.script("worker-external", script, *words, environment=_ENVIRONMENT, mounts=_TASKS)
