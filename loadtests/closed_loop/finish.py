"""The end of a run: its accepted jobs are followed to their ends, and what is wrong makes the run fail."""

from __future__ import annotations

import logging
import time
from typing import Any

import gevent
from locust import events
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from loadtests.closed_loop import gateway
from loadtests.closed_loop.accepted import await_ends, listing
from loadtests.closed_loop.arguments import Arguments
from loadtests.closed_loop.run import FINISH, LAST_REPORT, Run, current
from loadtests.errors import HarnessError

log = logging.getLogger("millrace")
#: Beyond the time that users have to finish their requests.
_REPORT_SECONDS = 15.0
#: Checks that still wait for the jobs of a run; with a web UI the next one may have begun.
_checks: list[gevent.Greenlet] = []


class RunFailedError(Exception):
    """Stands in Locust's list of failures for what no request has shown."""


@events.test_stop.add_listener  # type: ignore[untyped-decorator]
def end(environment: Environment, **_: Any) -> None:
    """Check what was accepted: at once without a web UI, beside it with one."""
    run, runner = current(), environment.runner
    if isinstance(runner, WorkerRunner):
        runner.send_message(LAST_REPORT, run.take())
        return
    if isinstance(runner, MasterRunner):
        _await_reports(environment, run)
    if environment.web_ui:
        _checks.append(gevent.spawn(_check, environment, run))
    else:
        _check(environment, run)


def _await_reports(environment: Environment, run: Run) -> None:
    """Wait for the last word of each worker. Without a web UI Locust has not told them to stop yet."""
    runner = environment.runner
    for worker in run.workers - run.finished:
        if worker in runner.clients:
            runner.send_message(FINISH, client_id=worker)
    deadline = time.monotonic() + environment.stop_timeout + _REPORT_SECONDS
    while time.monotonic() < deadline:
        if all(each in run.finished or _is_lost(runner, each) for each in run.workers):
            break
        gevent.sleep(0.1)
    if silent := run.workers - run.finished:
        lost = f"{len(silent)} of {len(run.workers)} workers were lost"
        _red(environment, run, f"{lost}: what was accepted in their last seconds is not checked.")


def _is_lost(runner: MasterRunner, worker: str) -> bool:
    return worker not in runner.clients or runner.clients[worker].state == STATE_MISSING


def _check(environment: Environment, run: Run) -> None:
    if not len(run.accepted):
        return
    try:
        arguments = Arguments.read(vars(environment.parsed_options))
        patience = max(1.0, arguments.end_seconds)
        with gateway.open_client(str(environment.host)) as client:
            ends = await_ends(
                run.accepted,
                listing(client, run.accepted, run.began, patience_seconds=patience),
                bound_seconds=arguments.end_seconds, tell=log.info, sleep=gevent.sleep,
            )  # fmt: skip
    except HarnessError as error:
        _red(environment, run, str(error))
        return
    if ends.ok:
        log.info("Closed loop: %s", ends)
    else:
        _red(environment, run, str(ends))


def _red(environment: Environment, run: Run, sentence: str) -> None:
    """The run failed for a reason that is no request's: say so, in its list of failures too."""
    log.error("Closed loop: %s", sentence)
    environment.process_exit_code = 1
    if run is not current():
        return
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
    gevent.joinall(_checks)
    if environment.web_ui is None and environment.process_exit_code is None and not runner.stats.num_requests:
        log.error("Closed loop: nothing was sent.")
        environment.process_exit_code = 1
