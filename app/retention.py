"""`python -m app retention`: the scheduled run of `storage.retention` and of the reconciler, with log lines."""

from __future__ import annotations

import signal
import threading

import structlog

from app.patterns.reconcile_command import reconcile_old
from app.settings import load
from app.storage import retention
from app.storage.availability import may_pass
from app.storage.engine import engine
from app.telemetry import logging

log = structlog.get_logger(__name__)

#: After a run that found PostgreSQL away.
_AGAIN_SECONDS = 60.0


def run(*, every_hours: float) -> None:
    """Run once, or every so many hours until told to stop.

    Raises:
        SystemExit: PostgreSQL refused a step; the other steps were done. A step that was put off is no error.
    """
    logging.configure("retention")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.is_set():
        wait_seconds = every_hours * 3600
        try:
            all_well = _run_once()
        except Exception as error:
            if not every_hours or not may_pass(error):
                raise
            log.warning("database_away", reason=str(error).splitlines()[0])
            wait_seconds = _AGAIN_SECONDS
        else:
            if not every_hours:
                if not all_well:
                    raise SystemExit(1)
                return
        stop.wait(wait_seconds)


def _run_once() -> bool:
    """Whether no step was refused."""
    settings = load()
    reports = retention.run(engine(), settings)
    for report in reports:
        if report.error is None:
            log.info(
                "retention_step_done",
                step=report.step, partitions=report.partitions, rows_deleted=report.rows_deleted,
            )  # fmt: skip
        else:
            log.warning(
                "retention_step_refused" if report.refused else "retention_step_put_off",
                step=report.step, partitions=report.partitions, reason=report.error,
            )  # fmt: skip
    reconcile_old(settings)
    return not any(report.refused for report in reports)
