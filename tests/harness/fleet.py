"""Several workers of one queue on a stack, and a far side that they call; each worker can be killed by itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx

from infra.local.state import REPOSITORY
from tests.harness import images, services
from tests.harness.containers import Machine
from tests.harness.far_side import PORT
from tests.harness.services import Service
from tests.harness.stack import QUICK, Stack
from tests.harness.waiting import eventually

_HARNESS = REPOSITORY / "tests" / "harness"
_MOUNTS = {
    str(_HARNESS / "fleet_tasks"): "/opt/millrace/fleet_tasks",
    str(REPOSITORY / "tests" / "mutants"): "/mutants",
}
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
#: Its clock steps by an hour when /tmp/stepped exists.
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
    """Somebody else's system, seen from the host."""

    def __init__(self, stack: Stack) -> None:
        """Start it beside the stack, in a container of the image."""
        service = Service(
            name="far-side", image=images.reference("APP"), command=(), environment={}, aliases=("far-side",),
            tmpfs=(), ports=(), mounts={str(_HARNESS / "far_side.py"): "/far_side.py"}, options={"init": True},
        )  # fmt: skip
        self._url = f"http://127.0.0.1:{stack.port('far-side', PORT)}"
        self.machine = Machine(
            service, stack._network, stack._prefix, ports={PORT: stack.port("far-side", PORT)},
            options={"entrypoint": ["python", "/far_side.py"]},
        )  # fmt: skip
        stack.machines["far-side"] = self.machine
        self.machine.start()
        eventually(lambda: self.seen() == [], what="the far side answers", tolerate=(httpx.HTTPError,))

    def forget(self) -> None:
        """Forget every call, and behave well."""
        httpx.delete(f"{self._url}/seen", trust_env=False).raise_for_status()

    def behave(self, mode: str, **how: Any) -> None:
        """How the next calls go: `times` of them, or all."""
        httpx.put(f"{self._url}/behaviour", json={"mode": mode, **how}, trust_env=False).raise_for_status()

    def seen(self, path: str = "/") -> list[dict[str, Any]]:
        """The calls whose path begins so."""
        return [call for call in self._ask()["seen"] if call["path"].startswith(path)]

    def times(self, path: str = "/") -> list[float]:
        """When they arrived, on its own clock."""
        return sorted(call["at"] for call in self.seen(path))

    def done(self) -> list[str]:
        """The keys of the effects that it had, in their order."""
        return list(self._ask()["done"])

    def _ask(self) -> Any:
        return httpx.get(f"{self._url}/seen", timeout=10, trust_env=False).raise_for_status().json()


class Fleet:
    """Workers of the queue `external`, two processes each."""

    def __init__(self, stack: Stack) -> None:
        """None runs yet."""
        self._stack = stack
        self._running: dict[str, tuple[str | None, dict[str, str]]] = {}

    def start(self, count: int, *, stepping: int = 0, program: str | None = None, **environment: str) -> list[Machine]:
        """Have exactly these workers: so many, and behind them so many whose clock a test may step.

        What runs so already is left alone. `program` of tests/mutants takes the application's place.
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
            self._start(name, program, environment)
            self._running[name] = (program, environment)
        self._stack.wait(name)

    def _stop(self, names: Iterable[str]) -> None:
        for name in list(names):
            self._stack.remove(name)
            del self._running[name]

    def send(self, task: str, arguments: Iterable[Sequence[Any]]) -> None:
        """Send a task for each list of arguments, as a worker would."""
        words = (task, json.dumps([list(one) for one in arguments]))
        options = {"entrypoint": ["python", "-c", _SEND]}
        self._stack.run("worker-external", *words, options=options, environment=_ENVIRONMENT, mounts=_MOUNTS)

    def run(self, name: str, script: str, *words: str) -> Machine:
        """Start a script with the rights of a worker, and do not wait for its end."""
        service = replace(services.read("worker-external", self._stack._variables), name=name, aliases=(name,))
        options = {"entrypoint": ["python", "-c", script]}
        self._stack.remove(name)
        machine = Machine(
            service, self._stack._network, self._stack._prefix, environment=_ENVIRONMENT, mounts=_MOUNTS,
            options=options, command=words,
        )  # fmt: skip
        self._stack.machines[name] = machine
        machine.start()
        return machine

    def _start(self, name: str, program: str | None, environment: dict[str, str]) -> None:
        service = replace(services.read("worker-external", self._stack._variables), name=name, aliases=(name,))
        options = {"entrypoint": ["tini", "--", "python", f"/mutants/{program}.py"]} if program else {}
        machine = Machine(
            service, self._stack._network, self._stack._prefix, environment={**_ENVIRONMENT, **environment},
            mounts=_MOUNTS, options=options,
        )  # fmt: skip
        self._stack.machines[name] = machine
        machine.start()


def parks(machines: Iterable[Machine]) -> dict[str, int]:
    """How often each task was parked, by its id, as these workers logged it."""
    found: dict[str, int] = {}
    for machine in machines:
        for line in machine.logs().splitlines():
            if '"task_parked"' in line and '"delay_seconds"' in line:
                task_id = json.loads(line)["task_id"]
                found[task_id] = found.get(task_id, 0) + 1
    return found


def fullest(times: Sequence[float], seconds: float) -> int:
    """The most calls in any period of this length; a period begins with a call."""
    end, most = 0, 0
    for begin, began_at in enumerate(times):
        while end < len(times) and times[end] < began_at + seconds:
            end += 1
        most = max(most, end - begin)
    return most
