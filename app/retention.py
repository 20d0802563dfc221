"""`python -m app retention`: the scheduled run of `storage.retention`, with its log line."""

from __future__ import annotations

import signal
import threading

import structlog

from app.settings import load
from app.storage import retention
from app.storage.availability import is_away
from app.storage.engine import engine
from app.telemetry import logging

log = structlog.get_logger(__name__)

#: After a run that found PostgreSQL away.
_AGAIN_SECONDS = 60.0


def run(*, every_hours: float) -> None:
    """Run once, or every so many hours until told to stop."""
    logging.configure("retention")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.is_set():
        wait_seconds = every_hours * 3600
        try:
            with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                report = retention.run(connection, load())
            log.info(
                "retention_done",
                created=report.partitions_created,
                dropped=report.partitions_dropped,
                inbox_rows_deleted=report.inbox_rows_deleted,
                idempotency_keys_deleted=report.idempotency_keys_deleted,
            )
        except Exception as error:
            if not every_hours or not is_away(error):
                raise
            log.warning("database_away", reason=str(error).splitlines()[0])
            wait_seconds = _AGAIN_SECONDS
        if not every_hours:
            return
        stop.wait(wait_seconds)
