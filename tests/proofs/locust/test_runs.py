"""Runs without a web UI: what they say, and their exit codes."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.harness.locust_process import REPOSITORY, Locust, access, jobs
from tests.harness.ports import free_port
from tests.harness.stack import QUICK, Stack
from tests.harness.waiting import PATIENCE_SECONDS, eventually

#: No request is cut off, so that what was accepted is known exactly.
HEADLESS = ("--headless", "--stop-timeout", "120", "-u", "4", "-r", "4")
#: How long the check at the end waits for what was accepted.
PATIENT = ("--end-seconds", str(PATIENCE_SECONDS))
SHORT = ("-t", "15s")
#: Lines of the table that Locust prints every two seconds.
_ANSWERED = re.compile(r"/v1/events +[1-9]\d* +0\(")
#: At least ten.
_MANY = re.compile(r"/v1/events +[1-9]\d+ +0\(")
_FAILED = re.compile(r"/v1/events +\d+ +[1-9]\d*\(")


def test_all_that_was_accepted_has_ended(single: Stack, locust: Callable[..., Locust]) -> None:
    """Exit code 0, and not one job more or less than the gateway has."""
    before = jobs(single)
    run = locust("--host", single.gateway_url, *HEADLESS, *PATIENT, "SingleEvents", "EventLists", **access(single))
    eventually(lambda: _ANSWERED.search(run.said), what="answered requests are in the table")
    run.interrupt()

    assert run.end() == 0
    accepted = jobs(single) - before
    assert accepted > 0
    assert run.checks == [(accepted, f"{accepted:,} succeeded.")]


def test_a_master_checks_what_its_workers_were_told(single: Stack, locust: Callable[..., Locust]) -> None:
    """Two workers send, one master asks for the ends: nothing is missing in its account, and all of them end well."""
    before, port = jobs(single), str(free_port())
    workers = [locust("--worker", "--master-port", port, **access(single)) for _ in range(2)]
    run = locust(
        "--host", single.gateway_url, *HEADLESS, *SHORT, *PATIENT, "--master", "--master-bind-host", "127.0.0.1",
        "--master-bind-port", port, "--expect-workers", "2", "SingleEvents", **access(single),
    )  # fmt: skip

    assert run.end() == 0
    accepted = jobs(single) - before
    assert accepted > 0
    assert run.checks == [(accepted, f"{accepted:,} succeeded.")]
    assert [worker.end() for worker in workers] == [0, 0]


def test_without_a_key_it_says_so(locust: Callable[..., Locust]) -> None:
    """One sentence, no trace, and a code that is not 0."""
    run = locust("--host", "https://localhost:1", *HEADLESS, *SHORT)

    assert run.end() == 1
    assert "MILLRACE_API_KEY is not set. Set it to an API key with tasks:write and jobs:read." in run.said


def test_with_a_wrong_key_no_user_begins(single: Stack, locust: Callable[..., Locust]) -> None:
    """The gateway is asked once, before."""
    run = locust("--host", single.gateway_url, *HEADLESS, *SHORT, **access(single) | {"MILLRACE_API_KEY": "wrong"})

    assert run.end() == 1
    assert f"{single.gateway_url} answers 401. Set MILLRACE_API_KEY to a key" in run.said
    assert "/v1/events" not in run.said


def test_a_gateway_that_dies_is_counted(single: Stack, locust: Callable[..., Locust]) -> None:
    """Failures in the table, and a sentence about what nobody could tell."""
    run = locust("--host", single.gateway_url, *HEADLESS, "--end-seconds", "2", "SingleEvents", **access(single))
    eventually(lambda: _ANSWERED.search(run.said), what="answered requests are in the table")
    single.machines["gateway"].kill()
    eventually(lambda: _FAILED.search(run.said), what="failed requests are in the table")
    run.interrupt()

    assert run.end() == 1
    assert "no answer: " in run.said
    assert "The gateway did not tell all of it: GET /v1/jobs" in run.said


def test_a_gateway_that_forgets_is_found(single: Stack, locust: Callable[..., Locust]) -> None:
    """A planted bug (tests/mutants): each request was answered 202, and some have no job."""
    single.replace(
        "gateway", environment=QUICK, mounts={str(REPOSITORY / "tests" / "mutants"): "/mutants"},
        options={"entrypoint": ["tini", "--", "python", "/mutants/forgotten_jobs.py"]},
    )  # fmt: skip
    run = locust("--host", single.gateway_url, *HEADLESS, "--end-seconds", "5", "SingleEvents", **access(single))
    eventually(lambda: _MANY.search(run.said), what="each fifth request is forgotten: there are ten")
    run.interrupt()

    assert run.end() == 1
    assert "not in GET /v1/jobs" in run.said


def test_jobs_that_nobody_executes_are_found(single: Stack, locust: Callable[..., Locust]) -> None:
    """They were accepted, and no worker takes them."""
    single.machines["worker-interactive"].kill()
    run = locust("--host", single.gateway_url, *HEADLESS, "--end-seconds", "2", "SingleEvents", **access(single))
    eventually(lambda: _ANSWERED.search(run.said), what="answered requests are in the table")
    run.interrupt()

    assert run.end() == 1
    assert "not ended after" in run.said


def test_the_generators_own_file_says_what_to_run(locust: Callable[..., Locust]) -> None:
    """It ended in a KeyError (A19)."""
    run = locust("-f", str(REPOSITORY / "loadtests" / "open_loop_users.py"), "--headless")

    assert run.end() == 1
    assert "For load of your own: locust -f loadtests/scenarios" in run.said
