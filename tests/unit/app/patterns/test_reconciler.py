"""When the messages of a job count as vanished."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from app.brokers.celery_app import celery_app
from app.kinds import Transaction, at_least_once, once
from app.patterns.reconciler import Rules
from app.storage.identifiers import first_id_at
from app.storage.vanished import Unfinished, in_both
from app.tasks import meter_totals

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def once_reconciled(key: str, tx: Transaction) -> None:
    """A task whose inbox lets one of two messages act."""


def often_reconciled(key: str) -> None:
    """A task that would run twice."""


@pytest.fixture(autouse=True)
def _tasks() -> Iterator[None]:
    once(queue="bulk")(once_reconciled)
    at_least_once(queue="bulk")(often_reconciled)
    yield
    for name in ("once_reconciled", "often_reconciled"):
        celery_app.tasks.pop(name)


def _found(task: str, *, hours: float, queue: str = "bulk", keys: tuple[str, ...] = ("a",)) -> Unfinished:
    return Unfinished(job_id=first_id_at(NOW - timedelta(hours=hours)), task_name=task, queue=queue, keys=keys)


@pytest.mark.parametrize(
    ("task", "hours", "empty", "vanished"),
    [
        ("once_reconciled", 1, {"bulk"}, True),
        ("once_reconciled", 1, {"interactive"}, False),
        ("once_reconciled", 25, set(), True),
        ("often_reconciled", 1, {"bulk"}, True),
        ("often_reconciled", 25, set(), False),  # it may be slow, and would run twice
        ("unknown", 25, set(), False),
    ],
)
def test_age_or_an_empty_queue(task: str, hours: float, empty: set[str], vanished: bool) -> None:
    """An empty queue is proof for every kind; age only for a task that cannot act twice."""
    assert Rules(empty=frozenset(empty)).apply(_found(task, hours=hours), NOW) is vanished


@pytest.mark.parametrize(("hours", "empty", "vanished"), [(1, {"bulk"}, True), (1, set(), False), (25, set(), True)])
def test_a_batch_goes_by_its_declared_queue(hours: float, empty: set[str], vanished: bool) -> None:
    """The row of a batch names no queue."""
    batch = _found(meter_totals.meter_totals.name, hours=hours, queue="")
    assert meter_totals.meter_totals.queue == "bulk"
    assert Rules(empty=frozenset(empty)).apply(batch, NOW) is vanished


def test_what_ended_between_two_looks_has_not_vanished() -> None:
    """Only items that both looks find count."""
    gone, ended = _found("once_reconciled", hours=1, keys=("a", "b")), _found("once_reconciled", hours=2)
    later = _found("once_reconciled", hours=1, keys=("b",))
    new = _found("once_reconciled", hours=0.5)
    assert in_both([gone, ended], [later, new]) == [later]
