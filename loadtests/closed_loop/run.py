"""A run: what its users were told is accepted, in this process and, on a master, in those of its workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from locust import events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from loadtests.closed_loop.accepted import Accepted

#: Clocks of this machine and the gateway's may differ by this much.
_CLOCKS = timedelta(minutes=1)
#: Messages between master and workers: "stop, and say what is left to say", and that.
FINISH, LAST_REPORT = "millrace_finish", "millrace_last_report"


@dataclass(slots=True)
class Run:
    """What this process knows of one run."""

    began: datetime = field(default_factory=lambda: datetime.now(UTC) - _CLOCKS)
    accepted: Accepted = field(default_factory=Accepted)
    #: Jobs of which a worker has not told the master yet.
    jobs: list[str] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)
    #: Workers that sent something, and those that sent their last report.
    workers: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)

    def take(self) -> dict[str, list[str]]:
        """The ids that the master was not told yet. They are told with this, and are not returned again."""
        told = {"jobs": self.jobs, "batches": self.batches}
        self.jobs, self.batches = [], []
        return told


class _Process:
    """The run under way, and whether a master collects what is noted of it."""

    run = Run()
    is_worker = False


def current() -> Run:
    """The run under way, or the last one."""
    return _Process.run


def note(*, job: str | None = None, batch: str | None = None) -> None:
    """A user was told that this is accepted."""
    run = _Process.run
    run.jobs += [job] if job else []
    run.batches += [batch] if batch else []
    if not _Process.is_worker:
        run.accepted.add(**run.take())


@events.init.add_listener  # type: ignore[untyped-decorator]
def register(environment: Environment, **_: Any) -> None:
    """Know the messages of the other processes."""
    runner = environment.runner
    _Process.is_worker = isinstance(runner, WorkerRunner)
    if isinstance(runner, WorkerRunner):
        runner.register_message(FINISH, lambda **_: runner.stop())
    if isinstance(runner, MasterRunner):
        runner.register_message(LAST_REPORT, _collect_last)


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def begin(**_: Any) -> None:
    """A run of its own, also when it is started again in the web UI."""
    _Process.run = Run()


@events.report_to_master.add_listener  # type: ignore[untyped-decorator]
def report(data: dict[str, Any], **_: Any) -> None:
    """A worker tells the master, every three seconds."""
    data["millrace"] = _Process.run.take()


@events.worker_report.add_listener  # type: ignore[untyped-decorator]
def collect(client_id: str, data: dict[str, Any], **_: Any) -> None:
    """The master keeps it."""
    told = data.get("millrace", {})
    if any(told.values()):
        _Process.run.workers.add(client_id)
        _Process.run.accepted.add(**told)


def _collect_last(msg: Any, **_: Any) -> None:
    _Process.run.accepted.add(**msg.data)
    _Process.run.finished.add(msg.node_id)


@events.test_stopping.add_listener  # type: ignore[untyped-decorator]
def expect_reports(environment: Environment, **_: Any) -> None:
    """The master knows now who runs users; a stopped worker leaves its list for a while."""
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        _Process.run.workers |= {client.id for client in [*runner.clients.running, *runner.clients.spawning]}
