"""Failure records of the worker's main process, written by one thread: its event loop must not wait for PostgreSQL.

While the loop waits it sends no AMQP heartbeat, and a frozen PostgreSQL cost the worker its connection (A10).

A message is rejected after its record is written, because the archiver joins the two when the dead letter arrives. If
the record takes too long the message is rejected without it, and the dead letter says less.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from typing import Any

import structlog
from celery.worker import state
from kombu.asynchronous import get_event_loop
from sqlalchemy import event

from app.kinds.base import record_quietly
from app.storage.engine import engine
from app.storage.failures import TaskFailure

log = structlog.get_logger(__name__)

#: How long a reject waits for its record, and the end of the worker for those that are still to be written.
PATIENCE_SECONDS = 5.0
#: Records that may wait. Rejects wait for them, and prefetch bounds those; this is for when PostgreSQL stays frozen.
_MOST_WAITING = 200

Action = Callable[[], None]

#: A child is forked just when one was lost, that is, when there is something to record. Resolving a name, a TLS
#: handshake and an import hold locks of the process, which nobody would ever open in the child. So a fork waits for a
#: connection that is being made, at most for its time-out. Reentrant: a report holds it and may open a connection.
no_fork = threading.RLock()
os.register_at_fork(before=no_fork.acquire, after_in_parent=no_fork.release, after_in_child=no_fork.release)


def _connect(dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
    with no_fork:
        return dialect.connect(*arguments, **options)


class Recorder:
    """One thread and its queue; it begins with the first record."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._waiting: queue.Queue[tuple[TaskFailure, Action] | None] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None

    def record_before(self, failure: TaskFailure, action: Action) -> None:
        """Write the record, then run `action` in the event loop; after `PATIENCE_SECONDS` without."""
        hub = get_event_loop()
        once = _Once(action)
        if hub is None or state.should_stop is not None or state.should_terminate is not None:
            # The loop turns no more: what it is given now would never run.
            written = threading.Event()
            if self._put(failure, written.set):
                written.wait(PATIENCE_SECONDS)
            once()
        elif self._put(failure, lambda: hub.call_soon(once)):
            hub.call_later(PATIENCE_SECONDS, once)
        else:
            once()

    def close(self) -> None:
        """Write what waits, if that takes no longer than `PATIENCE_SECONDS`."""
        if self._thread is None:
            return
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(PATIENCE_SECONDS)

    def _put(self, failure: TaskFailure, written: Action) -> bool:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait((failure, written))
        except queue.Full:
            log.warning("task_failure_not_recorded", reason="too many records wait", task_ids=[str(failure.task_id)])
            return False
        return True

    def _run(self) -> None:
        with no_fork:
            event.listen(engine(), "do_connect", _connect)
        while (waiting := self._waiting.get()) is not None:
            failure, written = waiting
            record_quietly([failure])
            try:
                written()
            except Exception:
                log.exception("event_loop_gone")


class _Once:
    """An action that two callers may ask for, both in the event loop."""

    def __init__(self, action: Action) -> None:
        self._action: Action | None = action

    def __call__(self) -> None:
        action, self._action = self._action, None
        if action is not None:
            action()


recorder = Recorder()
