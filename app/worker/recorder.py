"""Failure records of the worker's main process, written in the background.

A message is rejected after its record is written, because the archiver joins the two when the dead letter arrives. If
the record takes too long the message is rejected without it, and the dead letter says less.
"""

from __future__ import annotations

import os
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
from app.worker.background import PATIENCE_SECONDS, Background

log = structlog.get_logger(__name__)

#: Records that may wait. Rejects wait for them, and prefetch bounds those; this is for when PostgreSQL stays frozen.
_MOST_WAITING = 200

Action = Callable[[], None]

#: A child is forked just when one was lost, that is, when there is something to record. Resolving a name, a TLS
#: handshake and an import hold locks of the process, which nobody would ever open in the child. So a fork waits for a
#: connection that is being made, at most for its time-out. Reentrant: a report holds it and may open a connection.
no_fork = threading.RLock()
os.register_at_fork(before=no_fork.acquire, after_in_parent=no_fork.release, after_in_child=no_fork.release)


def connect_without_forks(dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
    """Connect to PostgreSQL while nothing is forked."""
    with no_fork:
        return dialect.connect(*arguments, **options)


class Recorder(Background[tuple[TaskFailure, Action]]):
    """Writes the records, each before its action."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        super().__init__("recorder", most_waiting=_MOST_WAITING)

    def record_before(self, failure: TaskFailure, action: Action) -> None:
        """Write the record, then run `action` in the event loop; after `PATIENCE_SECONDS` without."""
        hub = get_event_loop()
        once = _Once(action)
        if hub is None or state.should_stop is not None or state.should_terminate is not None:
            # The loop turns no more: what it is given now would never run.
            written = threading.Event()
            if self._record(failure, written.set):
                written.wait(PATIENCE_SECONDS)
            once()
        elif self._record(failure, lambda: hub.call_soon(once)):
            hub.call_later(PATIENCE_SECONDS, once)
        else:
            once()

    def begin(self) -> None:
        """Keep forks away from connections that are being made."""
        with no_fork:
            event.listen(engine(), "do_connect", connect_without_forks)

    def handle(self, item: tuple[TaskFailure, Action]) -> None:
        """Write a record."""
        failure, written = item
        record_quietly([failure])
        try:
            written()
        except Exception:
            log.exception("event_loop_gone")

    def _record(self, failure: TaskFailure, written: Action) -> bool:
        if self.hand_over((failure, written)):
            return True
        log.warning("task_failure_not_recorded", reason="too many records wait", task_ids=[str(failure.task_id)])
        return False


class _Once:
    """An action that two callers may ask for, both in the event loop."""

    def __init__(self, action: Action) -> None:
        self._action: Action | None = action

    def __call__(self) -> None:
        action, self._action = self._action, None
        if action is not None:
            action()


recorder = Recorder()
