"""What beat sends, and what becomes of it when something is away."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from app import contract
from app.beat.metrics import CANARIES
from app.beat.schedule import canaries
from app.beat.scheduler import CanaryScheduler
from app.contract import queue_names

SECONDS = 600.0


class Broker:
    """Stands in for connection, channel and producer; says what it was asked."""

    def __init__(self, *, consumers: int = 1, failures: int = 0) -> None:
        """Fail so many times before anything works."""
        self.failures = failures
        self.consumers = consumers
        self.connections = self.dropped = 0

    @property
    def default_channel(self) -> Broker:
        """Itself."""
        return self

    def queue_declare(self, queue: str, *, passive: bool) -> Any:
        """How many consume."""
        assert passive, "beat declares nothing"
        if self.failures:
            self.failures -= 1
            raise ConnectionResetError
        return SimpleNamespace(consumer_count=self.consumers)

    def ensure_connection(self, *, max_retries: int, timeout: float) -> None:
        """Connected."""
        assert max_retries < 5
        assert timeout < 10
        self.connections += 1

    def collect(self) -> None:
        """Dropped."""
        self.dropped += 1


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> list[dict[str, Any]]:
    """What was handed to Celery."""
    monkeypatch.setattr("app.beat.scheduler.load", lambda: SimpleNamespace(heartbeat_file=tmp_path / "heartbeat"))
    return []


def _scheduler(broker: Broker, sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> CanaryScheduler:
    app = Celery(set_as_current=False, broker="memory://")
    app.conf.beat_schedule = canaries(SECONDS)
    monkeypatch.setattr(app, "connection_for_write", lambda: broker)
    monkeypatch.setattr(app, "send_task", lambda name, **options: sent.append({"name": name, **options}))
    monkeypatch.setattr(app.amqp, "Producer", lambda *_, **__: nullcontext())
    return CanaryScheduler(app=app)


def _counted(outcome: str) -> float:
    return sum(CANARIES.labels(queue, outcome)._value.get() for queue in queue_names())


def _run(scheduler: CanaryScheduler, *, most: int = 20) -> int:
    """Tick until nothing is due; returns how many ticks had something."""
    ticks = 0
    while scheduler.tick() == 0:
        ticks += 1
        assert ticks < most, "a burst"
    return ticks


def test_one_canary_a_queue_and_nothing_else(sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """All are due at the start, once; Celery's own clean-up task is not among them."""
    scheduler = _scheduler(Broker(), sent, monkeypatch)
    _run(scheduler)
    assert sorted(message["queue"] for message in sent) == sorted(queue_names())
    assert {message["name"] for message in sent} == {contract.TASK_CANARY}


def test_a_canary_expires_for_the_worker_and_not_for_the_broker(
    sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Celery's argument `expires` it would also be the message's time to live, after which it is dead-lettered."""
    _run(_scheduler(Broker(), sent, monkeypatch))
    for message in sent:
        left_seconds = (datetime.fromisoformat(message["headers"]["expires"]) - datetime.now(UTC)).total_seconds()
        assert 0 < left_seconds <= SECONDS
        assert not {"expires", "expiration"} & message.keys()
        assert message["retry"] is False


def test_nothing_is_sent_to_a_queue_without_consumers(
    sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would wait there, and the next one too, for as long as nobody comes."""
    before = _counted("skipped")
    _run(_scheduler(Broker(consumers=0), sent, monkeypatch))
    assert not sent
    assert _counted("skipped") == before + len(queue_names())


def test_a_dead_connection_is_replaced_at_once(sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have died since the last canary; that is no reason to miss this one."""
    broker, before = Broker(failures=1), _counted("failed")
    _run(_scheduler(broker, sent, monkeypatch))
    assert len(sent) == len(queue_names())
    assert (broker.connections, broker.dropped) == (2, 1)
    assert _counted("failed") == before


def test_a_failure_costs_one_canary_and_no_more(sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted, its entry stays in the schedule, and its next time is not sooner than any other's."""
    broker, before = Broker(failures=2), _counted("failed")
    scheduler = _scheduler(broker, sent, monkeypatch)
    _run(scheduler)
    assert _counted("failed") == before + 1
    assert len(sent) == len(queue_names()) - 1
    assert len(scheduler._heap or ()) == len(queue_names())
    assert scheduler.tick() > 0


def test_an_application_that_is_not_ours_gets_no_canary(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not know the task."""
    legacy = contract.Queue(name="legacy", purpose="a test", pool={"application": {"image": "legacy:1"}})
    known = (*contract.queues(), legacy)
    monkeypatch.setattr(contract, "queues", lambda: known)

    assert [entry["options"]["queue"] for entry in canaries(SECONDS).values()] == [queue.name for queue in known[:-1]]
