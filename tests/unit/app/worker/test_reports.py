"""The thread that reports for a worker's main process."""

from __future__ import annotations

import os
import threading
import warnings

import pytest
from redis import exceptions as redis
from sqlalchemy import create_engine, event

from app.kinds.evidence import failure_of
from app.results import reporting
from app.worker import recorder as module
from app.worker.recorder import Recorder
from app.worker.reports import Reports
from tests.harness.waiting import eventually


def test_a_report_is_handed_over_when_the_backend_is_back() -> None:
    """Later reports wait for an earlier one; a report that the backend refuses does not stop them."""
    answers = [redis.ConnectionError("away"), redis.ConnectionError("away"), None]
    seen: list[str] = []

    def away_at_first() -> None:
        if (error := answers.pop(0)) is not None:
            raise error
        seen.append("first")

    def refused() -> None:
        raise redis.NoPermissionError("no right")

    reports = Reports()
    reports.put(away_at_first)
    reports.put(refused)
    reports.put(lambda: seen.append("last"))
    eventually(lambda: seen == ["first", "last"], what="both were reported", every=0.02)
    reports.close()


def test_more_than_may_wait_are_dropped() -> None:
    """While the backend is away, the loop does not wait and the number of kept reports is bounded."""
    back = threading.Event()

    def away() -> None:
        if not back.is_set():
            raise redis.TimeoutError("frozen")

    reports = Reports()
    for _ in range(2000):
        reports.put(away)
    assert reports._waiting.qsize() in {999, 1000}, "the thread may have taken one"
    back.set()  # or the thread would try for a day
    eventually(reports._waiting.empty, what="all were reported", every=0.02)


def test_a_worker_takes_what_it_would_report() -> None:
    """Once connected."""
    before = reporting.in_parent
    reports = Reports()
    try:
        reports.connect()
        assert reporting.in_parent == reports.put
    finally:
        reporting.in_parent = before


def test_a_report_may_open_a_connection_and_a_child_can_be_forked_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report keeps forks away, and so does a new connection: both at once must not wait for each other."""
    database = create_engine("sqlite://")
    monkeypatch.setattr(module, "engine", lambda: database)
    monkeypatch.setattr(module, "record_quietly", lambda _batch: None)
    recorder, failure = Recorder(), failure_of({"id": "1", "task": "t"}, ValueError(), reason="failed", worker="w")
    assert failure is not None
    recorder.record_before(failure, lambda: None)  # installs the hook
    eventually(
        lambda: event.contains(database, "do_connect", module.connect_without_forks),
        what="hooked",
        every=0.02,
    )
    reported, forked = threading.Event(), threading.Event()

    def report() -> None:
        database.connect().close()
        reported.set()

    def fork() -> None:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of forks beside threads
            child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        forked.set()

    reports = Reports()
    reports.put(report)
    assert reported.wait(30), "the report is blocked"
    threading.Thread(target=fork, daemon=True).start()
    assert forked.wait(30), "the fork is blocked"
    reports.close()
    recorder.close()
