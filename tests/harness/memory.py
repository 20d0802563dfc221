"""Workers with little memory that run leaky tasks, and what became of the tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

import httpx

from app import contract
from app.contract import Role
from infra.local.state import REPOSITORY
from tests.harness import here
from tests.harness.containers import Machine
from tests.harness.process_metrics import samples
from tests.harness.stack import QUICK, Stack

MOUNTS = {str(REPOSITORY / "tests" / "harness" / "memory_tasks"): "/opt/millrace/memory_tasks"}
#: Of the container, without swap.
LIMIT_MIB = 320
#: At this size a child is replaced; it begins with 70 MiB.
CHILD_MIB = 120
#: No child reaches this: the planted bug.
NEVER_MIB = 10_000
_TABLES = """
    CREATE TABLE IF NOT EXISTS tasks.leaks (leak_id text NOT NULL, pid int NOT NULL, peak_kib bigint NOT NULL,
        at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE IF NOT EXISTS tasks.heavy_begun (heavy_id text NOT NULL);
    CREATE TABLE IF NOT EXISTS tasks.heavy_done (heavy_id text NOT NULL)
"""


def prepare(stack: Stack) -> None:
    """Create the tables."""
    stack.query(_TABLES, role=Role.OWNER)


def worker(
    stack: Stack, name: str, *, child_mib: int, concurrency: int = 1, environment: Mapping[str, str] | None = None
) -> Machine:
    """Run a worker that replaces its children at this size."""
    wanted = {
        **QUICK,
        "MILLRACE_TASK_PACKAGES": "memory_tasks",
        "MILLRACE_WORKER_CONCURRENCY": str(concurrency),
        "MILLRACE_WORKER_MAX_MEMORY_PER_CHILD_KIB": str(child_mib * 1024),
        **(environment or {}),
    }
    limits = {"mem_limit": f"{LIMIT_MIB}m", "memswap_limit": f"{LIMIT_MIB}m"}
    return stack.replace(name, environment=wanted, mounts=MOUNTS, options=limits)


def send_leaks(stack: Stack, ids: Iterable[str], *, mib: int, queue: str = "external") -> None:
    """Send a leak for each id, through the outbox."""
    for leak_id in ids:
        here.inject(stack, queue, "leak", [{"leak_id": leak_id, "mib": mib}])


def send_again(stack: Stack, prefix: str) -> None:
    """Send the leaks that the outbox still knows a second time."""
    stack.query(
        "INSERT INTO outbox_pending (message_id, queue, body_bytes, due_at, available_at) "
        "SELECT message_id, queue, octet_length(body), now(), now() FROM outbox "
        "WHERE task_name = 'leak' AND convert_from(body, 'UTF8') LIKE %s ON CONFLICT DO NOTHING",
        f'%"{prefix}%', role=Role.OWNER,
    )  # fmt: skip


def leaks(stack: Stack, prefix: str) -> list[tuple[str, int, int]]:
    """Id, pid and peak memory of each leak, in the order of time."""
    query = "SELECT leak_id, pid, peak_kib FROM tasks.leaks WHERE leak_id LIKE %s ORDER BY at"
    return [(str(leak_id), int(pid), int(peak)) for leak_id, pid, peak in stack.query(query, f"{prefix}%")]


def crashes(stack: Stack, name: str, queue: str = "external") -> int:
    """How many children this worker lost while they ran a leak, as Prometheus sees it."""
    with suppress(httpx.HTTPError):
        return int(samples(stack, name, contract.METRIC_TASK_OUTCOMES).get(("worker_lost", queue, "leak"), 0))
    return 0
