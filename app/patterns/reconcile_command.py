"""`python -m app reconcile`: puts back the messages of accepted jobs that the broker has lost."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import structlog
import typer

from app import contract
from app.brokers.chosen import broker, refuse
from app.brokers.interface import Feature
from app.kinds import registry
from app.patterns import reconciler
from app.patterns.reconciler import Rules
from app.settings import Settings, load
from app.storage import vanished
from app.storage.engine import engine

log = structlog.get_logger(__name__)

#: The answer names at most so many jobs.
_NAMED = 20


def run(*, dry_run: bool, older_than_seconds: float, busy_older_than_hours: float, by: str) -> None:
    """Look for unfinished jobs before and after two looks at the broker, and put back what is missing both times.

    A message that had left PostgreSQL before the first look is in the broker at its looks, or the job has ended by the
    last one, or the message has vanished.

    Raises:
        NotReadyError: the broker does not say what it holds.
        NotOnThisBrokerError: the broker does not count its messages exactly.
    """
    refuse(Feature.RECONCILE)
    settings = load()
    registry.import_tasks(settings)
    rules = Rules(
        empty=frozenset(contract.queue_names()), older_than_seconds=older_than_seconds,
        busy_older_than_seconds=busy_older_than_hours * 3600, kept_days=settings.retention_outbox_days,
    )  # fmt: skip
    before = reconciler.find(engine(), rules)
    if before:
        rules = replace(rules, empty=_empty_twice(settings))
    found = vanished.in_both(before, reconciler.find(engine(), rules)) if before else []
    done = {} if dry_run else reconciler.put_back(engine(), found, rules, by=by)
    report = {
        "dry_run": dry_run, "empty_queues": sorted(rules.empty), "unfinished": len(before), "vanished": len(found),
        "messages_put_back": sum(done.values()), "jobs": [str(one.job_id) for one in found[:_NAMED]],
    }  # fmt: skip
    typer.echo(json.dumps(report))


def reconcile_old(settings: Settings) -> None:
    """Put back messages of jobs older than a day that have none in PostgreSQL, whatever the broker holds.

    The daily run of retention does this. It cannot ask the broker, so it leaves out tasks that could run twice.
    """
    registry.import_tasks(settings)
    rules = Rules(empty=frozenset(), kept_days=settings.retention_outbox_days, older_than_seconds=_DAY_SECONDS)
    done = reconciler.put_back(engine(), reconciler.find(engine(), rules), rules, by="retention")
    log.info("reconciled", jobs=len(done), messages=sum(done.values()))


_DAY_SECONDS = 24 * 3600.0


def _empty_twice(settings: Settings) -> frozenset[str]:
    first = broker().empty_queues(settings)
    time.sleep(broker().counts_lag_seconds)
    return first & broker().empty_queues(settings)
