"""A run: what its users were told is accepted, collected from all processes, and checked when they have stopped."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import gevent
from locust import User, events
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from loadtests.closed_loop import gateway
from loadtests.closed_loop.accepted import Accepted, await_ends, listing
from loadtests.closed_loop.arguments import Arguments
from loadtests.errors import HarnessError

log = logging.getLogger("millrace")
#: Clocks of this machine and the gateway's may differ by this much.
_CLOCKS = timedelta(minutes=1)
#: Messages between master and workers: "stop, and say what is left to say", and that.
_FINISH, _LAST_REPORT = "millrace_finish", "millrace_last_report"
#: Locust's own default of `--stop-timeout`, 0, cuts requests off, whose answers would then be unknown.
_STOP_SECONDS = 5.0
#: Beyond the time that users have to finish their requests.
_REPORT_SECONDS = 15.0


@dataclass(slots=True)
class Run:
    """What this process knows of one run."""

    began: datetime = field(default_factory=lambda: datetime.now(UTC) - _CLOCKS)
    accepted: Accepted = field(default_factory=Accepted)
    #: What a worker has not told the master yet.
    jobs: list[str] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)
    #: Workers that sent something, and those that sent their last report.
    workers: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)

    def take(self) -> dict[str, list[str]]:
        """What is not told yet; it counts as told then."""
        told = {"jobs": self.jobs, "batches": self.batches}
        self.jobs, self.batches = [], []
        return told


class RunFailedError(Exception):
    """Stands in Locust's list of failures for what no request has shown."""


class _Process:
    """The run under way, and the checks that still wait for jobs of earlier ones."""

    run = Run()
    checks: list[gevent.Greenlet] = []  # noqa: RUF012 - one a process


def note(*, job: str | None = None, batch: str | None = None) -> None:
    """A user was told that this is accepted."""
    if job:
        _Process.run.jobs.append(job)
    if batch:
        _Process.run.batches.append(batch)


@events.init.add_listener  # type: ignore[untyped-decorator]
def prepare(environment: Environment, **_: Any) -> None:
    """Refuse to begin without a key; know the messages of the other processes."""
    runner = environment.runner
    try:
        gateway.api_key()
        gateway.tls_context()
    except gateway.SettingError as error:
        if isinstance(runner, WorkerRunner):
            runner.send_message("quit")
        raise SystemExit(str(error)) from None
    _keep_tagged(environment)
    # It would tell each request of the check.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    environment.stop_timeout = environment.stop_timeout or _STOP_SECONDS
    if isinstance(runner, WorkerRunner):
        runner.register_message(_FINISH, lambda **_: runner.stop())
    if isinstance(runner, MasterRunner):
        runner.register_message(_LAST_REPORT, _collect_last)


def _keep_tagged(environment: Environment) -> None:
    """Leave out the classes that `--tags` leaves without a task: Locust would start them, and they would fail."""
    options = environment.parsed_options
    wanted, unwanted = set(options.tags or ()), set(options.exclude_tags or ())

    def stays(user_class: type[User]) -> bool:
        tags: list[set[str]] = [getattr(task, "locust_tag_set", set()) for task in user_class.tasks]
        return any((not wanted or each & wanted) and not each & unwanted for each in tags)

    environment.user_classes[:] = [each for each in environment.user_classes if stays(each)]
    if not environment.user_classes:
        raise SystemExit(f"The load cannot begin: no scenario has these tags: {', '.join(sorted(wanted)) or 'none'}.")


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


@events.test_stop.add_listener  # type: ignore[untyped-decorator]
def end(environment: Environment, **_: Any) -> None:
    """Check what was accepted: at once without a web UI, beside it with one."""
    run, runner = _Process.run, environment.runner
    if isinstance(runner, WorkerRunner):
        runner.send_message(_LAST_REPORT, run.take())
        return
    if isinstance(runner, MasterRunner):
        _await_reports(environment, run)
    run.accepted.add(**run.take())
    if environment.web_ui:
        _Process.checks.append(gevent.spawn(_check, environment, run))
    else:
        _check(environment, run)


def _await_reports(environment: Environment, run: Run) -> None:
    """Wait for the last word of each worker. Without a web UI Locust has not told them to stop yet."""
    runner = environment.runner
    for worker in run.workers - run.finished:
        if worker in runner.clients:
            runner.send_message(_FINISH, client_id=worker)
    deadline = time.monotonic() + environment.stop_timeout + _REPORT_SECONDS
    while time.monotonic() < deadline:
        lost = {each for each in run.workers if _is_lost(runner, each)}
        if run.finished >= run.workers - lost:
            break
        gevent.sleep(0.1)
    if silent := run.workers - run.finished:
        _red(environment, f"{len(silent)} workers were lost: what was accepted in their last seconds is not checked.")


def _is_lost(runner: MasterRunner, worker: str) -> bool:
    return worker not in runner.clients or runner.clients[worker].state == STATE_MISSING


def _check(environment: Environment, run: Run) -> None:
    if not len(run.accepted):
        return
    arguments = Arguments.read(vars(environment.parsed_options))
    patience = max(1.0, arguments.end_seconds)
    try:
        with gateway.open_client(str(environment.host)) as client:
            ends = await_ends(
                run.accepted,
                listing(client, run.accepted, run.began, patience_seconds=patience),
                bound_seconds=arguments.end_seconds, tell=log.info, sleep=gevent.sleep,
            )  # fmt: skip
    except HarnessError as error:
        _red(environment, str(error))
        return
    if ends.ok:
        log.info("Closed loop: %s", ends)
    else:
        _red(environment, str(ends))


def _red(environment: Environment, sentence: str) -> None:
    """The run failed for a reason that is no request's: say so, in the list of failures too."""
    log.error("Closed loop: %s", sentence)
    environment.process_exit_code = 1
    environment.events.request.fire(
        request_type="GET", name="/v1/jobs (accepted jobs ended)", response_time=0, response_length=0,
        exception=RunFailedError(sentence), context={},
    )  # fmt: skip


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def finish(environment: Environment, **_: Any) -> None:
    """Stop what still runs, wait for the checks, and let a run that sent nothing fail."""
    runner = environment.runner
    if isinstance(runner, WorkerRunner):
        return
    if not isinstance(runner, MasterRunner):
        runner.stop()
    gevent.joinall(_Process.checks)
    if environment.web_ui is None and environment.process_exit_code is None and not runner.stats.num_requests:
        log.error("Closed loop: nothing was sent.")
        environment.process_exit_code = 1
