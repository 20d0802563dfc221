"""What `make peers` writes of its figures, and what its load counts as accepted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest

from loadtests.peers.killed import Account
from loadtests.peers.measure import Figures, percentile
from loadtests.peers.page import markdown
from loadtests.peers.sender import Address, closed_loop, paced
from loadtests.source import GeneratedEvents


def _figures(rate: float, *, name: str = "millrace", p99_ms: float | None = 30.0) -> Figures:
    return Figures(
        contender=name, accepted=100, events_per_second=rate, own_ms=1.0, broker_ms=0.5, database_ms=0.25,
        p50_ms=p99_ms and 10.0, p99_ms=p99_ms,
    )  # fmt: skip


def test_the_table_has_medians_and_extremes() -> None:
    """Of three rounds the middle one, and the lowest and the highest rate."""
    page = markdown([_figures(100), _figures(400, p99_ms=90.0), _figures(200)], [])
    assert (
        "| Millrace, single events | 200 (100 to 400) | 1.00 ms | 0.50 ms | 0.25 ms | 1.75 ms | 10 ms | 30 ms |" in page
    )
    assert "bar [200]" in page


def test_lists_have_no_latency() -> None:
    """They are not sent one by one."""
    page = markdown([_figures(5_000, name="millrace_lists", p99_ms=None)], [])
    assert "| 1.75 ms |  |  |" in page


def test_what_was_lost_is_told_by_contender() -> None:
    """Each set-up whose worker and leader were killed has a line."""
    account = Account(contender="celery_plain", accepted=1_000, stuck=12, lost=7, doubled=2, refused=31)
    assert "| Celery, no options | 1,000 | 12 | 7 | 2 | 31 |" in markdown([_figures(1)], [account])


@pytest.mark.parametrize(("percent", "expected"), [(50, 50.0), (99, 99.0), (100, 100.0)])
def test_a_percentile_is_the_nearest_rank(percent: int, expected: float) -> None:
    """Of 1 to 100 each is itself."""
    assert percentile([float(value) for value in range(100, 0, -1)], percent) == expected


@contextmanager
def _gateway(statuses: Iterator[int]) -> Iterator[tuple[str, list[bytes]]]:
    """A gateway that answers what it is told to."""
    bodies: list[bytes] = []

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(next(statuses))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_only_what_was_answered_202_is_accepted() -> None:
    """Every other answer is a refusal, and its event is none of ours."""
    with _gateway(iter([202, 503, 500] + [202] * 100)) as (url, bodies):
        sent = paced(Address(url=url), GeneratedEvents(run="peers"), rate=50.0, seconds=0.2)
    assert (len(sent.accepted), sent.refused) == (8, 2)
    assert set(sent.accepted) < {orjson.loads(body)["event_id"] for body in bodies}


def test_a_list_is_one_request() -> None:
    """All of its events are accepted by one answer."""
    with _gateway(iter(lambda: 202, None)) as (url, bodies):
        address = Address(url=url, events_a_request=10)
        sent = closed_loop(address, GeneratedEvents(run="peers"), connections=1, seconds=0.05)
    assert len(sent.accepted) == 10 * len(bodies)
    assert bodies


def test_latency_begins_when_a_request_is_due() -> None:
    """A request that leaves late has waited already."""
    began_at = time.time()
    with _gateway(iter(lambda: 202, None)) as (url, _):
        sent = paced(Address(url=url), GeneratedEvents(run="peers"), rate=100.0, seconds=0.1)
    dues = sorted(sent.accepted.values())
    assert dues[0] >= began_at
    assert dues[-1] - dues[0] == pytest.approx(0.09)
