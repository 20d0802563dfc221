"""The thread that reports for a worker's main process."""

from __future__ import annotations

import threading

from redis import exceptions as redis

from app.results import reporting
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
    eventually(lambda: seen == ["first", "last"], within=30, what="both were reported", every=0.02)
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
    eventually(reports._waiting.empty, within=30, what="all were reported", every=0.02)


def test_a_worker_takes_what_it_would_report() -> None:
    """Once connected."""
    before = reporting.in_parent
    reports = Reports()
    try:
        reports.connect()
        assert reporting.in_parent == reports.put
    finally:
        reporting.in_parent = before
