"""`python -m app beat`: one process. A second one, started by mistake or by a roll-out, does no harm."""

from __future__ import annotations

import os
import signal
import time

import structlog

from app.beat import metrics as beat_metrics
from app.beat.clock import Clock
from app.brokers.chosen import announce, broker
from app.kinds import registry
from app.settings import load
from app.storage.availability import may_pass
from app.storage.engine import engine
from app.telemetry import context, heartbeat, logging, metrics

log = structlog.get_logger(__name__)

#: The wait after a tick that found PostgreSQL away.
_AGAIN_SECONDS = 1.0


def run() -> None:
    """Send what is due until SIGTERM or SIGINT."""
    settings = load()
    logging.configure("beat")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    heartbeat.write(settings.heartbeat_file, "starting")
    context.connect()
    registry.import_tasks(settings)
    entries = registry.entries()
    beat_metrics.initialise(entry.name for entry in entries)
    metrics.serve(settings)
    announce()
    log.info("beat_starting", schedules={entry.name: str(entry.schedule) for entry in entries})
    consumers = broker().consumed_queues(settings)
    clock = Clock(entries, engine(), consumers)
    while True:
        try:
            wait_seconds = clock.tick()
            state = "consuming" if consumers.answered else "disconnected"
        except Exception as error:
            if not may_pass(error):
                raise
            log.warning("database_away", reason=str(error).splitlines()[0])
            wait_seconds, state = _AGAIN_SECONDS, "disconnected"
        heartbeat.write(settings.heartbeat_file, state)
        time.sleep(wait_seconds)


def _end(*_: object) -> None:
    """End at once, also in the middle of a transaction: a slot that does not commit is due again.

    An exception would roll back first, and so wait for a PostgreSQL that may not answer.
    """
    os._exit(0)
