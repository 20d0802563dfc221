"""The worker's heartbeat, as a step of Celery's consumer; what else its parent does at an even pace comes with it.

The timer runs in the parent's event loop, so it beats while all children are busy and stops when the loop is wedged.

The first beat is `MillraceConsumer.on_ready`'s: the broker has answered basic.consume. That may take long. In CI, after
all nodes of a cluster (4.3.6) had started at once, a queue elected two leaders within 20 ms; a minute later its worker
had no consumer yet, though it had long said that it was consuming.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks

from app.brokers.chosen import broker
from app.settings import load
from app.telemetry import heartbeat
from app.telemetry.metrics_files import fold_dead

#: Between two looks for children that died.
_FOLD_SECONDS = 10.0


class Heartbeat(bootsteps.StartStopStep):
    """Beats while consuming; says `disconnected` from the moment the connection is lost."""

    requires = (Tasks,)
    name = "app.worker.heartbeat.Heartbeat"

    def __init__(self, parent: Any, **options: Any) -> None:
        """Celery makes one for each consumer."""
        super().__init__(parent, **options)
        self._path = load().heartbeat_file
        self._timers: list[Any] = []
        self._silent = False

    def start(self, parent: Any) -> None:
        """Connected; what follows asks the broker for messages, and the loop runs only when it has answered."""
        heartbeat.write(self._path, "subscribing")
        every = parent.timer.call_repeatedly
        self._timers = [every(heartbeat.BEAT_SECONDS, self._beat, priority=10)]
        if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            self._timers.append(every(_FOLD_SECONDS, fold_dead, (Path(folder),), priority=10))

    def _beat(self) -> None:
        """Consuming, unless the broker has not answered for long; then one beat says so, and no other one follows."""
        longest_seconds = broker().silence_seconds
        if longest_seconds is None or time.monotonic() - broker().answered_at() <= longest_seconds:
            self._silent = False
            heartbeat.write(self._path, "consuming")
        elif not self._silent:
            self._silent = True
            heartbeat.write(self._path, "disconnected")

    def stop(self, parent: Any) -> None:
        """The connection is lost, or the worker ends."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        heartbeat.write(self._path, "disconnected")

    def shutdown(self, parent: Any) -> None:
        """The same, at the end."""
        self.stop(parent)
