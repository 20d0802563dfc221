"""Celery's signals turned into log lines and metrics, with the ids of the request that a task came from."""

from __future__ import annotations

import time
from typing import Any

import structlog
from celery import signals

from app import contract
from app.kinds.metrics import CANARY_START_DELAY_SECONDS, RUN_SECONDS, START_DELAY_SECONDS, count_outcome
from app.settings import load
from app.telemetry import context

log = structlog.get_logger(__name__)

_started: dict[str, float] = {}

#: Celery's states of an ended run, in the words of the metrics.
_OUTCOME_OF_STATE = {"SUCCESS": "succeeded", "FAILURE": "failed", "RETRY": "retried", "IGNORED": "parked"}

#: Logged at DEBUG: nobody has to act on these.
_AS_ASKED = frozenset({"succeeded", "held", "revoked", "expired"})


def _on_start(task_id: str, task: Any, **_: Any) -> None:
    request, queue = task.request, load().worker_queue
    context.bind(
        correlation_id=getattr(request, contract.MESSAGE_CORRELATION_ID, None),
        traceparent=getattr(request, contract.MESSAGE_TRACEPARENT, None),
    )
    structlog.contextvars.bind_contextvars(
        task_id=task_id, task_name=task.name, queue=queue, attempt=int(request.retries or 0) + 1
    )
    _started[task_id] = time.monotonic()
    published_at = getattr(request, contract.MESSAGE_PUBLISHED_AT, None)
    if published_at is not None and not request.retries:
        _observe_delay(task.name, queue, published_at)


def _on_revoked(request: Any, sender: Any, *, expired: bool = False, **_: Any) -> None:
    """Count a message that Celery itself dropped; it belongs to no job.

    A canary that expired has waited longest, so its delay is observed too; otherwise the slowest would be missing.
    """
    count_outcome(sender.name, "expired" if expired else "revoked")
    published_at = getattr(request, contract.MESSAGE_PUBLISHED_AT, None)
    if expired and sender.name == contract.TASK_CANARY and published_at is not None:
        _observe_delay(sender.name, load().worker_queue, published_at)


def _observe_delay(task_name: str, queue: str, published_at: Any) -> None:
    delays = CANARY_START_DELAY_SECONDS if task_name == contract.TASK_CANARY else START_DELAY_SECONDS
    delays.labels(queue).observe(max(0.0, time.time() - float(published_at)))


def _on_end(task_id: str, task: Any, state: str | None = None, **_: Any) -> None:
    seconds = time.monotonic() - _started.pop(task_id, time.monotonic())
    outcome = str(getattr(task.request, "dropped_as", None) or _OUTCOME_OF_STATE.get(state or "", "rejected"))
    RUN_SECONDS.labels(load().worker_queue, task.name).observe(seconds)
    count_outcome(task.name, outcome)
    # Two lines a task cost 20 to 33 % of the throughput (research/load-and-chaos.md): one, and for success at DEBUG.
    write = log.debug if outcome in _AS_ASKED else log.warning
    write(f"task_{outcome}", duration_ms=round(seconds * 1000, 1))
    structlog.contextvars.clear_contextvars()
    context.clear()


def connect() -> None:
    """Observe every task of this worker."""
    context.connect()
    signals.task_prerun.connect(_on_start, weak=False, dispatch_uid="millrace-start")
    signals.task_revoked.connect(_on_revoked, weak=False, dispatch_uid="millrace-revoked")
    signals.task_postrun.connect(_on_end, weak=False, dispatch_uid="millrace-end")
