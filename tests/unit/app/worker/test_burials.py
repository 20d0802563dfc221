"""A dead letter is archived before its message is acknowledged, and not at all if PostgreSQL does not take it."""

from __future__ import annotations

from typing import Any

import pytest

from app.brokers import archiving
from app.brokers.letters import ArrivedMessage
from app.kinds.evidence import failure_of
from app.worker import burials as module
from app.worker.burials import Burials

ARRIVED = ArrivedMessage(dead_letter_queue="bulk.dead", exchange="tasks", routing_key="bulk", properties={}, body=b"")


@pytest.fixture(autouse=True)
def _no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker ends: what is left is done at once."""
    broker = type("Broker", (), {"arrived": lambda _self, _message: ARRIVED})
    monkeypatch.setattr(module, "broker", broker)
    monkeypatch.setattr(module, "get_event_loop", lambda: None)
    monkeypatch.setattr(module, "engine", lambda: "the database")


def test_the_letter_and_its_failure_are_stored_and_then_the_message_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call of `store`, which is one commit."""
    done: list[Any] = []
    monkeypatch.setattr(archiving, "store", lambda messages, _database, failures: done.append((messages, failures)))
    failure = failure_of({"id": "1", "task": "t"}, ValueError(), reason="time_limit", worker="w")

    Burials().bury(None, failure, archived=lambda: done.append("gone"), refused=lambda: done.append("back"))

    assert done == [([ARRIVED], [failure]), "gone"]


def test_what_postgresql_does_not_take_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never acknowledged without a letter."""
    done: list[str] = []

    def store(*_: Any, **__: Any) -> None:
        raise ValueError("no")

    monkeypatch.setattr(archiving, "store", store)

    Burials().bury(None, None, archived=lambda: done.append("gone"), refused=lambda: done.append("back"))

    assert done == ["back"]
