"""The bench of batches knows what it sends, and reports what it measured."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx
import orjson
import pytest

from app import contract
from loadtests import rows
from loadtests.rows import Run
from loadtests.rows_plot import drawing, table

RUNS = [
    Run(rows=10_000, sent_seconds=0.5, finished_seconds=1.0, peak_mib={"gateway": 90, "relay-1": 60}),
    Run(rows=1_000_000, sent_seconds=40, finished_seconds=50, peak_mib={"gateway": 95, "relay-1": 60}),
]


def test_the_aggregate_is_known() -> None:
    """Each body is full, and its total is the sum of its rows."""
    for body, total in rows.bodies():
        sent = orjson.loads(body)
        assert len(sent) == contract.REQUEST_MAX_ITEMS
        assert sum(row["watt_hours"] for row in sent) == total


def test_memory_without_the_page_cache() -> None:
    """This holds for cgroup 1 and 2; a container that has ended uses no memory."""
    mib = 1024 * 1024
    assert rows.used_mib({"memory_stats": {"stats": {"anon": 5 * mib, "shmem": mib, "file": 99 * mib}}}) == 6
    assert rows.used_mib({"memory_stats": {"stats": {"total_rss": 5 * mib, "total_cache": 99 * mib}}}) == 5
    assert rows.used_mib({}) == 0


def test_a_column_a_run() -> None:
    """The table shows rates, times and peaks."""
    lines = table(RUNS).splitlines()
    assert lines[0] == "|  | 10,000 rows | 1,000,000 rows |"
    assert "| rows a second | 10,000 | 20,000 |" in lines
    assert "| `gateway`, MiB | 90 | 95 |" in lines


def test_a_line_a_container() -> None:
    """The drawing is valid SVG with a line for each container."""
    root = ET.fromstring(drawing(RUNS))  # noqa: S314 - our own
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == 2


def test_each_chunk_is_sent_once_and_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four threads send; the sender reports progress while it sends and while it waits for the aggregate."""
    chunks, sent, told = 40, list[str](), list[rows.Progress]()
    made = rows.bodies()
    aggregate = {
        "readings": chunks * contract.REQUEST_MAX_ITEMS,
        "watt_hours": sum(made[number % len(made)][1] for number in range(chunks)),
    }

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            sent.append(request.url.path)
        state = "finished" if len(sent) == chunks and told else "open"
        counts = {"added": len(sent), "done": len(sent)}
        return httpx.Response(200, json={"status_url": "/b", "state": state, "chunks": counts, "aggregate": aggregate})

    client = httpx.Client(base_url="https://gateway", transport=httpx.MockTransport(answer))
    monkeypatch.setattr(rows, "open_client", lambda *_, **__: client)
    monkeypatch.setattr(rows, "sampled", lambda _: nullcontext({"gateway": 1}))
    done = rows.run("", Path(), "", rows=chunks * 1000, threads=4, containers="", show=told.append)
    assert sorted(sent) == sorted(f"/b/chunks/{number}" for number in range(chunks))
    assert done.rows == chunks * 1000
    assert set(done.peak_mib) == {"gateway", "the sender"}
    assert told[-1].chunks == chunks
