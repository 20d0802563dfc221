"""`python -m app beat`: one process.

A second one by mistake does no harm: twice the canaries, each timed for itself, and none with an effect.
"""

from __future__ import annotations

import signal

import structlog
from celery.beat import Service

from app.beat.schedule import canaries
from app.beat.scheduler import CanaryScheduler
from app.brokers.celery_app import celery_app
from app.settings import load
from app.telemetry import context, heartbeat, logging, metrics

log = structlog.get_logger(__name__)


def run() -> None:
    """Send what is due until SIGTERM or SIGINT."""
    settings = load()
    logging.configure("beat")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    heartbeat.write(settings.heartbeat_file, "starting")
    context.connect()
    celery_app.conf.beat_schedule = canaries(settings.canary_seconds)
    metrics.serve(settings)
    log.info("beat_starting", canary_seconds=settings.canary_seconds)
    Service(celery_app, scheduler_cls=CanaryScheduler).start()
    log.info("beat_stopped")


def _end(*_: object) -> None:
    """End at once, also in the middle of a publish: nothing is owed to a canary that was half sent."""
    raise SystemExit(0)
