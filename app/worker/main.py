"""Starts a worker for one queue: `python -m app worker`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import structlog
from celery import signals

from app import contract
from app.brokers.celery_app import celery_app
from app.brokers.chosen import able, announce
from app.brokers.interface import Feature
from app.errors import QueueNotDeclaredError
from app.kinds import registry
from app.kinds.metrics import initialise
from app.settings import Settings, load
from app.storage.engine import engine
from app.telemetry import heartbeat, logging, metrics
from app.worker import observation
from app.worker.burials import burials
from app.worker.recorder import recorder
from app.worker.reports import reports

log = structlog.get_logger(__name__)


def run() -> None:
    """Consume until told to stop. SIGTERM ends warmly: running tasks finish, waiting ones go back to the queue."""
    settings = load()
    _clean_metrics_folder()
    registry.import_tasks(settings)  # after the metrics folder is clean
    _refuse_undeclared_queues()
    _connect_signals(settings)
    observation.connect()
    reports.connect()
    heartbeat.write(settings.heartbeat_file, "starting")
    initialise([name for name in celery_app.tasks if not name.startswith("celery.")])
    metrics.serve(settings)
    worker = celery_app.Worker(
        hostname=f"{settings.worker_queue}@{os.uname().nodename}",
        queues=[settings.worker_queue],
        concurrency=settings.worker_concurrency,
        pool="prefork",
        loglevel="WARNING",
        quiet=True,
        optimization="fair",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=not able(Feature.REMOTE_CONTROL),  # Celery's, an event
    )
    announce()
    log.info("worker_starting", queue=settings.worker_queue, concurrency=settings.worker_concurrency)
    worker.start()
    raise SystemExit(worker.exitcode)


def _refuse_undeclared_queues() -> None:
    for name, task in celery_app.tasks.items():
        queue = getattr(task, "queue", None)
        if queue is not None and queue not in contract.queue_names():
            raise QueueNotDeclaredError(f"(the task {name} names {queue!r})")


def _connect_signals(settings: Settings) -> None:
    service = f"worker-{settings.worker_queue}"

    def configure_logging(**_: Any) -> None:
        logging.configure(service)

    def after_fork(**_: Any) -> None:
        # A connection shared with the parent would mix two conversations on one socket.
        engine.cache_clear()

    def write_records(**_: Any) -> None:
        burials.close()
        recorder.close()
        reports.close()

    # Once connected, Celery configures no logging of its own.
    signals.setup_logging.connect(configure_logging, weak=False)
    signals.worker_process_init.connect(after_fork, weak=False)
    signals.worker_shutdown.connect(write_records, weak=False)
    configure_logging()


def _clean_metrics_folder() -> None:
    """Files of an earlier life would be counted as this one's."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for file in Path(folder).glob("*.db"):
            file.unlink()
