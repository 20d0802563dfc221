"""The web UI, driven by its own API: every scenario, start, stop, start again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.harness.locust_process import Locust, access
from tests.harness.ports import free_port
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

#: A line of the table for each scenario.
ROUTES = {
    ("POST", "/v1/events"),
    ("POST", "/v1/events (list)"),
    ("POST", "/v1/events (same key)"),
    ("POST", "/v1/events (same key, other event)"),
    ("POST", "/v1/events (list) (duplicate)"),
    ("POST", "/v1/tasks/post_movement"),
    ("POST", "/v1/uploads (again)"),
    ("POST", "/v1/tasks/count_words"),
    ("PUT", "/v1/batches/{batch_id}/chunks/{number}"),
    ("GET", "/v1/batches/{batch_id} (from seal to end)"),
}
_ID = re.compile(r"[0-9a-f]{8}")


@pytest.fixture
def ui(single: Stack, locust: Callable[..., Locust]) -> Iterator[tuple[Locust, httpx.Client]]:
    """Locust with its web UI, and a client of it."""
    port = free_port()
    process = locust(
        "--host", single.gateway_url, "--web-host", "127.0.0.1", "--web-port", str(port), "--equal-weights",
        "--end-seconds", "300", "--stop-timeout", "120", **access(single),
    )  # fmt: skip
    # A start asks the gateway, and a stop waits for the users.
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300, trust_env=False) as client:

        def answers() -> bool:
            assert process.process.poll() is None, process.said
            return client.get("/").is_success

        eventually(answers, what="the web UI answers", tolerate=(httpx.TransportError,))
        yield process, client


def _start(client: httpx.Client, stack: Stack, **more: str) -> dict[str, Any]:
    form = {"user_count": "8", "spawn_rate": "8", "host": stack.gateway_url, "run_time": "", "task": "post_movement"}
    return dict(client.post("/swarm", data=form | more).json())


def _table(client: httpx.Client) -> dict[tuple[str, str], int]:
    """How often each route was asked, and that no request failed."""
    told = client.get("/stats/requests").json()
    assert not told["errors"]
    return {(line["method"], line["name"]): line["num_requests"] for line in told["stats"] if line["method"]}


def test_start_stop_start(single: Stack, ui: tuple[Locust, httpx.Client]) -> None:
    """Each run begins with an empty table, and all that it was told is accepted ends.

    Given the web UI of a process that runs all scenarios,
    when they are started, stopped, and started again with another shape,
    then each scenario has sent its requests under the names of routes, and both runs are checked.
    """
    process, client = ui

    assert _start(client, single)["success"]
    eventually(lambda: _table(client).keys() >= ROUTES, what="each scenario has sent its requests")
    first = _table(client)
    assert not [name for _, name in first if _ID.search(name)]
    assert client.post("/stop").json()["success"]
    eventually(lambda: len(process.checks) == 1, what="the first run is checked")

    assert _start(client, single, shape="ramp", user_count="2")["success"]
    # The ramp's first step, of ten, is one user of two; the first run had eight.
    eventually(lambda: client.get("/stats/requests").json()["user_count"] == 1, what="the second run has its shape")
    eventually(lambda: sum(_table(client).values()) > 0, what="the second run sends")
    assert client.post("/stop").json()["success"]
    process.interrupt()

    assert process.end() == 0
    ends = [re.sub(r"[\d,]+ (succeeded|finished)|[., ]", "", what) for _, what in process.checks]
    assert ends == ["", ""]


def test_a_start_that_cannot_work_is_refused(single: Stack, ui: tuple[Locust, httpx.Client]) -> None:
    """With a sentence in the form, before any user begins."""
    process, client = ui

    refused = _start(client, single, task="nothing")
    assert not refused["success"]
    assert "the gateway declares no task 'nothing'. It declares" in refused["message"]
    refused = _start(client, single, step_seconds="0")
    assert "--step-seconds is a number of seconds, more than 0, not '0'." in refused["message"]
    assert client.get("/stats/requests").json()["state"] == "ready"
    process.interrupt()
    assert process.end() == 0
