"""Several workers of the queue `external` on a stack, and the far side that they call. A test can kill each worker."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx

from app.contract import PORT_METRICS
from infra.local.state import REPOSITORY
from loadtests.mix.far_side import PORT
from tests.harness import images, mutants
from tests.harness.containers import Machine
from tests.harness.process_metrics import samples
from tests.harness.services import Service
from tests.harness.stack import QUICK, Stack
from tests.harness.waiting import eventually

_HARNESS = REPOSITORY / "tests" / "harness"
_MOUNTS = {str(_HARNESS / "fleet_tasks"): "/opt/millrace/fleet_tasks", **mutants.MOUNT}
_ENVIRONMENT = {
    **QUICK,
    "MILLRACE_TASK_PACKAGES": "fleet_tasks",
    "MILLRACE_EXAMPLES_URL": f"http://far-side:{PORT}",
    "MILLRACE_WORKER_CONCURRENCY": "2",
    # Leases outlast the hard limit: a test that kills their holder waits for it.
    "MILLRACE_TASK_SOFT_TIME_LIMIT_SECONDS": "12",
    "MILLRACE_TASK_TIME_LIMIT_SECONDS": "15",
    "MILLRACE_DEPENDENCY_WAIT_SECONDS": "1",
}
#: The program of tests/mutants whose clock steps by an hour when /tmp/stepped exists.
STEPPING = "stepped_clock"
_SEND = """
import json, sys
from app.kinds.registry import import_tasks
from app.settings import load
from app.brokers.celery_app import celery_app
import_tasks(load())
name, arguments = sys.argv[1:]
for one in json.loads(arguments):
    celery_app.tasks[name].apply_async(one)
"""


class FarSide:
    """The system of `far_side.py`, as tests on the host see and command it."""

    def __init__(self, stack: Stack) -> None:
        """Start it beside the stack, in a container of the image."""
        service = Service(
            name="far-side", image=images.reference("APP"), command=(), environment={}, aliases=("far-side",),
            tmpfs=(), ports=(), options={"init": True},
            mounts={str(REPOSITORY / "loadtests" / "mix" / "far_side.py"): "/far_side.py"},
        )  # fmt: skip
        port = stack.port("far-side", PORT)
        self._url = f"http://127.0.0.1:{port}"
        stack.add(service, ports={PORT: port}, options={"entrypoint": ["python", "/far_side.py"]})
        eventually(lambda: self.seen() == [], what="the far side answers", tolerate=(httpx.HTTPError,))

    def forget(self) -> None:
        """Let it forget every call and behave well."""
        httpx.delete(f"{self._url}/seen", timeout=60, trust_env=False).raise_for_status()

    def behave(self, mode: str, **how: Any) -> None:
        """Choose how it treats the next `times` calls, or all calls if `times` is left out."""
        httpx.put(f"{self._url}/behaviour", json={"mode": mode, **how}, timeout=60, trust_env=False).raise_for_status()

    def seen(self, path: str = "/") -> list[dict[str, Any]]:
        """The calls that arrived under paths that begin with `path`."""
        return [call for call in self._ask()["seen"] if call["path"].startswith(path)]

    def times(self, path: str = "/") -> list[float]:
        """When these calls arrived, in seconds of the far side's clock."""
        return sorted(call["at"] for call in self.seen(path))

    def done(self) -> list[str]:
        """The key of each effect that a call had, in order."""
        return list(self._ask()["done"])

    def _ask(self) -> Any:
        return httpx.get(f"{self._url}/seen", timeout=60, trust_env=False).raise_for_status().json()


class Fleet:
    """Workers of the queue `external`, two processes each."""

    def __init__(self, stack: Stack) -> None:
        """No worker runs yet."""
        self._stack = stack
        self._running: dict[str, tuple[str | None, dict[str, str]]] = {}

    def start(self, count: int, *, stepping: int = 0, program: str | None = None, **environment: str) -> list[Machine]:
        """Run exactly `count` workers, and `stepping` more whose clock a test may step. The latter come last.

        A worker that runs like this already goes on. `program` names the program of tests/mutants that runs instead of
        the application.
        """
        wanted = {f"worker-external-{number}": (program, environment) for number in range(1, count + 1)}
        wanted |= {f"worker-external-stepping-{number}": (STEPPING, environment) for number in range(1, stepping + 1)}
        self._stop(name for name in self._running if self._running[name] != wanted.get(name))
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: self._ensure(name, *wanted[name]), wanted))
        return [self._stack.machines[name] for name in wanted]

    def _ensure(self, name: str, program: str | None, environment: dict[str, str]) -> None:
        if name in self._running and not self._stack.machines[name].running:
            self._stack.machines[name].start_again()
        elif name not in self._running:
            entrypoint = mutants.entrypoint(program) if program else ()
            self._add(name, entrypoint, environment=environment)
            self._running[name] = (program, environment)
        self._stack.wait(name)

    def _stop(self, names: Iterable[str]) -> None:
        for name in list(names):
            self._stack.remove(name)
            del self._running[name]

    def send(self, task: str, arguments: Iterable[Sequence[Any]]) -> None:
        """Send a task for each list of arguments, with the rights of a worker."""
        words = (task, json.dumps([list(one) for one in arguments]))
        self._stack.script("worker-external", _SEND, *words, environment=_ENVIRONMENT, mounts=_MOUNTS)

    def run(self, name: str, script: str, *words: str) -> Machine:
        """Start a script with the rights of a worker, and do not wait for its end."""
        self._stack.remove(name)
        return self._add(name, ["python", "-c", script], command=words)

    def _add(
        self, name: str, entrypoint: Sequence[str] = (), *, environment: Mapping[str, str] | None = None, **options: Any
    ) -> Machine:
        service = replace(self._stack.service("worker-external"), name=name, aliases=(name,))
        return self._stack.add(
            service, ports={PORT_METRICS: self._stack.port(name, PORT_METRICS)},
            environment={**_ENVIRONMENT, **(environment or {})}, mounts=_MOUNTS,
            options={"entrypoint": list(entrypoint)} if entrypoint else {}, **options,
        )  # fmt: skip


def counted(stack: Stack, machines: Iterable[Machine], metric: str) -> Counter[tuple[str, ...]]:
    """The samples of a counter of all these workers together, by its labels' values."""
    total: Counter[tuple[str, ...]] = Counter()
    for machine in machines:
        for labels, value in samples(stack, machine.service.name, metric).items():
            total[labels] += int(value)
    return total
