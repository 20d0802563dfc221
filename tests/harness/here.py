"""Runs commands of the application in this process, on a stack's PostgreSQL, because a container costs seconds.

The tests about the commands, the demo and e2e run them in containers.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest.mock import patch
from uuid import UUID

from app.brokers.celery_app import celery_app
from app.brokers.transactional import in_transaction
from app.contract import Role, Scope
from app.drills import command as drills, tasks as drill_tasks
from app.drills.command import SentDrill
from app.gateway import api_keys_command
from app.kinds import pauses_command
from tests.harness.ways_in import WaysIn


@contextmanager
def _as_role(stack: WaysIn, role: Role, module: ModuleType) -> Iterator[None]:
    """Make the module's `engine()` return a role's connections to the stack."""
    engine = stack.engine(role)
    with patch.object(module, "engine", lambda: engine):
        yield


def api_key(stack: WaysIn, *scopes: Scope, requests_per_second: float = 2000.0) -> str:
    """A new API key, as `api-keys create` makes it."""
    file = stack.state.root / f"{secrets.token_hex(8)}.key"
    with _as_role(stack, Role.OPERATOR, api_keys_command):
        api_keys_command.create("tests", list(scopes), requests_per_second, file)
    return file.read_text().strip()


def inject(stack: WaysIn, queue: str, task: str, arguments: list[Any]) -> None:
    """Put a task into the outbox past the gateway and its checks."""
    with stack.engine(Role.WORKER).begin() as connection, in_transaction(connection):
        celery_app.send_task(task, args=arguments, queue=queue)


def drill(stack: WaysIn, fault: drill_tasks.Fault, queue: str) -> SentDrill:
    """Send a drill."""
    with _as_role(stack, Role.OPERATOR, drills):
        return drills.send(fault, queue)


def mend(stack: WaysIn, switch: str) -> None:
    """Remove the fault of a drill."""
    with _as_role(stack, Role.WORKER, drill_tasks):
        drill_tasks.mend(UUID(switch))


def pause(stack: WaysIn, **what: str) -> None:
    """Pause a queue or a task, as `pauses pause` does: `pause(stack, queue="bulk")`."""
    with _as_role(stack, Role.OPERATOR, pauses_command):
        pauses_command.pause(note="a test", actor="tests", **what)


def resume(stack: WaysIn, **what: str) -> None:
    """End a pause."""
    with _as_role(stack, Role.OPERATOR, pauses_command):
        pauses_command.resume(actor="tests", **what)
