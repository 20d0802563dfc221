"""Logs that parse and join a request to its task; metrics that count right under prefork."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from app import contract
from tests.harness.load import drain
from tests.harness.messages import event
from tests.harness.process_metrics import relays, samples, samples_in
from tests.harness.stack import PATIENT_RELAY, PROCESSES, Stack
from tests.harness.waiting import eventually

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


def test_log_lines_join_a_request_to_its_task(single: Stack) -> None:
    """Every line of every process is JSON, and the worker's line carries the request's correlation id and trace id."""
    single.ensure("worker-interactive", "gateway", MILLRACE_LOG_LEVEL="DEBUG")
    request_id = "request-of-the-test"
    headers = {contract.HEADER_REQUEST_ID: request_id, contract.HEADER_TRACEPARENT: TRACEPARENT}
    with single.http() as client:
        assert client.post("/v1/events", json=event(), headers=headers).status_code == 202
    drain(single)
    lines: dict[str, list[dict[str, Any]]] = {name: single.machines[name].lines() for name in PROCESSES}
    for name, written in lines.items():
        assert written, f"{name} said nothing"
        for line in written:
            assert {"event", "level", "timestamp", "service", "version"} <= line.keys(), line
    requests = [line for line in lines["gateway"] if line.get("correlation_id") == request_id]
    assert requests

    def its_end() -> dict[str, Any] | None:
        own = [line for line in single.machines["worker-interactive"].lines() if "duration_ms" in line]
        return next((line for line in own if line.get("correlation_id") == request_id), None)

    ended = eventually(its_end, what="the worker has written the end of the task")
    assert ended is not None
    assert ended["trace_id"] == requests[-1]["trace_id"] == TRACE_ID
    assert ended["task_name"] == contract.TASK_INGEST_EVENT
    assert ended["queue"] == "interactive"
    assert ended["task_id"]
    assert ended["duration_ms"] >= 0


def test_libraries_write_json_too(single: Stack) -> None:
    """What Celery says when its broker goes away is JSON as well."""
    single.machines["rabbitmq-1"].kill()
    single.machines["rabbitmq-1"].start_again()
    single.wait("rabbitmq-1")

    def from_celery(name: str) -> bool:
        lines = single.machines[name].logs().splitlines()
        return any(json.loads(line)["logger"].startswith("celery") for line in lines if line.strip())

    for name in ("worker-interactive", "worker-bulk"):
        eventually(partial(from_celery, name), what=f"Celery says something in {name}")


def _counted(stack: Stack) -> dict[str, float]:
    """The events that gateway, relays and workers counted; relays and children are added up."""
    worker = "worker-interactive"
    outcomes = samples(stack, worker, contract.METRIC_TASK_OUTCOMES)
    with stack.http() as client:
        accepted = samples_in(client.get("/metrics").text, contract.METRIC_ITEMS_ACCEPTED)
    return {
        "accepted": accepted["interactive",],
        "published": sum(
            samples(stack, name, contract.METRIC_RELAY_PUBLISHED)["interactive",] for name in relays(stack)
        ),
        **{
            outcome: outcomes[outcome, "interactive", contract.TASK_INGEST_EVENT]
            for outcome in ("succeeded", "failed")
        },
        **{
            f"effects {outcome}": value
            for (outcome,), value in samples(stack, worker, contract.METRIC_EFFECTS).items()
        },
    }  # fmt: skip


def test_gateway_relays_and_workers_count_the_same(single: Stack) -> None:
    """The relays published, and the workers executed, as many events as the gateway accepted."""
    single.ensure("relay-1", "relay-2", **PATIENT_RELAY)
    before, sent = _counted(single), 60
    with single.http() as client:
        for _ in range(sent):
            assert client.post("/v1/events", json=event()).status_code == 202
    drain(single)
    eventually(
        lambda: _counted(single)["effects stored"] >= before["effects stored"] + sent, what="the children have told"
    )
    counted = {name: value - before[name] for name, value in _counted(single).items()}
    assert 0 < counted.pop("succeeded") <= sent, "a run executes a message or a bundle of them"
    right = {"accepted": sent, "published": sent, "effects stored": sent}
    assert counted == right | {"failed": 0, "effects duplicate": 0}
    children = single.machines["worker-interactive"].processes()
    assert len(children) > 2, "prefork has no children: this test has shown nothing"
