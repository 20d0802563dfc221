"""The schedules of all tasks, and declarations that cannot work."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from app import contract
from app.brokers.celery_app import celery_app
from app.errors import DeclarationError
from app.kinds import Every, Transaction, once, registry
from app.settings import load

NAMES = ("declared", "plain", "by_queue")


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    registry.import_tasks(load())
    yield
    for name in NAMES:
        celery_app.tasks.pop(name, None)


def _entries() -> dict[str, tuple[str, bool]]:
    return {entry.name: (entry.queue, entry.takes_slot) for entry in registry.entries()}


def test_every_queue_has_its_canary() -> None:
    """The canaries are the only schedules of our own tasks."""
    assert _entries() == {f"canary@{queue}": (queue, False) for queue in contract.queue_names()}


# Celery finds fault with `queue=` on a plain task, and does what it says.
@pytest.mark.filterwarnings(r"ignore:\s*The 'queue' task attribute is deprecated")
def test_an_entry_goes_where_its_task_goes() -> None:
    """Declared with a kind, or a plain task with a queue or without."""

    def function(slot: datetime, tx: Transaction) -> None:
        """Has a slot."""

    def nothing() -> None:
        """Has none."""

    once(name="declared", queue="bulk", schedule=Every(60))(function)
    celery_app.task(name="plain", schedule=Every(60))(nothing)
    celery_app.task(name="by_queue", queue="external", schedule=Every(60))(nothing)
    found = _entries()
    assert found["declared"] == ("bulk", True)
    assert found["plain"] == (contract.queue_names()[0], False)
    assert found["by_queue"] == ("external", False)


@pytest.mark.parametrize(
    ("schedule", "function", "words"),
    [
        (60, lambda: None, "plain: schedule=60 must be a Cron or an Every"),
        (Every(60), lambda user: user, "plain: a schedule has no value for user"),
    ],
)
def test_a_schedule_that_cannot_work_is_refused_when_tasks_are_imported(
    schedule: Any, function: Any, words: str
) -> None:
    """Every process refuses it at import, so a deployment stops before anything has changed."""
    function.__name__ = "plain"
    celery_app.task(name="plain", schedule=schedule)(function)
    with pytest.raises(DeclarationError, match=words):
        registry.import_tasks(load())


def test_celerys_own_schedule_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused, because beat does not read it and its tasks would never run."""
    monkeypatch.setitem(celery_app.conf, "beat_schedule", {"nightly": {"task": "plain", "schedule": 60}})
    with pytest.raises(DeclarationError, match="beat_schedule names nightly"):
        registry.import_tasks(load())
