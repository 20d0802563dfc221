"""Closed-loop users for any Millrace: `MILLRACE_API_KEY=… locust -f loadtests/scenarios --host https://…`.

Its figures are those of a closed loop: users wait for answers. Verdicts come from the open-loop generator.
"""

from __future__ import annotations

import itertools
import logging
import os
import ssl
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import gevent
import httpx
from locust import FastHttpUser, LoadTestShape, constant, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from app import contract
from loadtests.accepted import Accepted, await_ends, list_jobs
from loadtests.bodies import EVENTS_PATH, events_body, headers, name_of
from loadtests.feed import read_answer
from loadtests.history import STATUS_ACCEPTED, Kind
from loadtests.shapes import Shape, users_at
from loadtests.source import GeneratedEvents

log = logging.getLogger("millrace")
API_KEY = os.environ.get("MILLRACE_API_KEY", "")
CA_FILE = os.environ.get("MILLRACE_CA_FILE")
SCENARIOS = ("single", "list", "replay", "wrong-input", "mixed")
#: Clocks of this machine and the gateway's may differ by this much.
_CLOCKS = timedelta(minutes=1)


class _Run:
    """What this process knows of the run."""

    began = datetime.now(UTC)
    accepted = Accepted()
    #: A worker's ids since its last report to the master.
    unreported: list[str] = []  # noqa: RUF012 - one a process


def _tls_context(cafile: str | None = None) -> ssl.SSLContext:  # noqa: ARG001 - the client's signature
    return ssl.create_default_context(cafile=CA_FILE)


def _refusal(host: str | None) -> str | None:
    """Why no run can begin, and what to do."""
    if not host:
        return "There is no host; set --host https://… or the field Host."
    try:
        with httpx.Client(base_url=host, verify=_tls_context(), headers={contract.HEADER_API_KEY: API_KEY}) as client:
            status = client.get("/v1/jobs", params={"limit": 1}).status_code
    except (httpx.HTTPError, OSError) as error:
        return f"{host}: {error}. If its authority is private, set MILLRACE_CA_FILE to the authority's certificate."
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        return f"{host} answers {status}; set MILLRACE_API_KEY to a key with the scopes of tasks and jobs:read."
    return None


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def arguments(parser: LocustArgumentParser) -> None:
    """The UI shows them too."""
    parser.add_argument("--scenario", choices=SCENARIOS, default="mixed", help="What each user sends")
    parser.add_argument("--shape", choices=[str(shape) for shape in Shape], default="steady", help="Users over time")
    parser.add_argument("--end-seconds", type=int, default=120, help="How long accepted jobs may take to end")


@events.init.add_listener  # type: ignore[untyped-decorator]
def check_key(**_: Any) -> None:
    """Without a key nothing can be sent."""
    if not API_KEY:
        raise SystemExit("There is no API key; set MILLRACE_API_KEY.")


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def begin(environment: Environment, **_: Any) -> None:
    """Forget the last run; refuse one that cannot work."""
    _Run.began, _Run.accepted, _Run.unreported = datetime.now(UTC) - _CLOCKS, Accepted(), []
    if isinstance(environment.runner, WorkerRunner) or (refusal := _refusal(environment.host)) is None:
        return
    log.error(refusal)
    environment.process_exit_code = 1
    gevent.spawn(environment.runner.stop if environment.web_ui else environment.runner.quit)


@events.report_to_master.add_listener  # type: ignore[untyped-decorator]
def report(data: dict[str, Any], **_: Any) -> None:
    """A worker tells the master its ids."""
    data["accepted"], _Run.unreported = _Run.unreported, []


@events.worker_report.add_listener  # type: ignore[untyped-decorator]
def collect(data: dict[str, Any], **_: Any) -> None:
    """The master keeps them."""
    _Run.accepted.add(data.get("accepted", ()))


@events.test_stop.add_listener  # type: ignore[untyped-decorator]
def check_ends(environment: Environment, **_: Any) -> None:
    """Wait until all that was accepted has ended."""
    if isinstance(environment.runner, WorkerRunner):
        return
    if not isinstance(environment.runner, MasterRunner):
        _Run.accepted.add(_Run.unreported)
        _Run.unreported = []
    if not environment.host or not _Run.accepted.ids:
        return
    bound = float(environment.parsed_options.end_seconds)
    key = {contract.HEADER_API_KEY: API_KEY}
    with httpx.Client(base_url=environment.host, verify=_tls_context(), headers=key) as client:
        ends = await_ends(
            _Run.accepted, lambda: list_jobs(client, _Run.began), bound_seconds=bound, tell=log.info, sleep=gevent.sleep
        )
    log.log(logging.INFO if ends.ok else logging.ERROR, "Closed loop: %s.", ends)
    if not ends.ok:
        environment.process_exit_code = 1


class ChosenShape(LoadTestShape):  # type: ignore[misc]  # Locust has no types here
    """Users over time, as `--shape` says."""

    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        """Users and spawn rate now."""
        options = self.runner.environment.parsed_options
        seconds = self.get_run_time()
        if options.run_time and seconds > float(options.run_time):
            return None
        return users_at(Shape(options.shape), seconds, users=options.num_users or 1), float(options.spawn_rate or 1)


class MillraceUser(FastHttpUser):  # type: ignore[misc]  # Locust has no types here
    """A client that sends and waits for the answer."""

    wait_time = constant(0.1)
    insecure = False
    ssl_context_factory = staticmethod(_tls_context)

    def on_start(self) -> None:
        """Events of its own."""
        run = f"locust-{uuid.uuid4().hex[:12]}"
        self._events = iter(GeneratedEvents(run=run))
        self._turns = itertools.cycle(SCENARIOS[:-1])

    @task  # type: ignore[untyped-decorator]
    def send(self) -> None:
        """One step of the scenario."""
        chosen = self.environment.parsed_options.scenario
        scenario = next(self._turns) if chosen == "mixed" else chosen
        request_id = str(uuid.uuid4())
        if scenario == "wrong-input":
            self._post(b"{}", Kind.SINGLE, request_id, expected=422, suffix=" (wrong input)")
            return
        kind = Kind.LIST if scenario == "list" else Kind.SINGLE
        body = events_body(
            [event for _, event in itertools.islice(self._events, 100 if kind is Kind.LIST else 1)], kind
        )
        first = self._post(body, kind, request_id)
        if scenario == "replay" and first:
            again = self._post(body, kind, request_id, suffix=" (same key)", job_id=first)
            log.debug("%s again: %s", first, again)

    def _post(
        self, body: bytes, kind: Kind, request_id: str, *, expected: int = STATUS_ACCEPTED, suffix: str = "",
        job_id: str | None = None,
    ) -> str | None:  # fmt: skip
        """Send it; anything but the expected answer is a failure. Returns the job's id."""
        with self.client.post(
            EVENTS_PATH,
            data=body,
            name=name_of(kind) + suffix,
            headers=headers(API_KEY, request_id),
            catch_response=True,
        ) as response:
            if response.status_code != expected:
                response.failure(f"answered {response.status_code} instead of {expected}")
                return None
            answer = read_answer(response.status_code, response.content)
            if expected == STATUS_ACCEPTED and (answer.job_id is None or job_id not in {None, answer.job_id}):
                response.failure("names no job, or another job than the first answer")
                return None
            response.success()
        if answer.job_id:
            _Run.unreported.append(answer.job_id)
        return answer.job_id
