"""How a lane ends, and what its relay says of it meanwhile."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import create_engine

from app.brokers.interface import BrokerAwayError, PublishResult
from app.brokers.rabbitmq.dead_letters import DeadLetterConsumer
from app.brokers.rabbitmq.publisher import Publisher
from app.deadletters.archiver import Archiver
from app.relay import main
from app.relay.lane import Lane
from app.settings import Settings
from tests.harness.ports import free_port
from tests.harness.waiting import eventually


@pytest.fixture
def no_broker(tmp_path: Path) -> Settings:
    """Nobody listens where the broker should be."""
    return Settings(
        rabbitmq_host="127.0.0.1", rabbitmq_port=free_port(), heartbeat_file=tmp_path / "heartbeat.json"
    )  # fmt: skip


def _lane(settings: Settings, stop: threading.Event) -> tuple[Callable[[], None], Callable[[], bool]]:
    lane = Lane("bulk", settings, create_engine("postgresql+psycopg://"), stop)
    began = lane.turned_at
    return lane.run, lambda: lane.turned_at > began + 0.01


def _archiver(settings: Settings, stop: threading.Event) -> tuple[Callable[[], None], Callable[[], bool]]:
    archiver = Archiver(settings, create_engine("postgresql+psycopg://"), DeadLetterConsumer(settings), stop)
    return archiver.run, settings.heartbeat_file.is_file


@pytest.mark.parametrize("make", [_lane, _archiver])
def test_a_stop_during_an_outage_of_the_broker_is_no_failure(no_broker: Settings, make: Callable[..., Any]) -> None:
    """A17: a relay that was told to stop while it looked for a broker ended with a traceback."""
    stop, failures = threading.Event(), []
    run, has_tried = make(no_broker, stop)

    def work() -> None:
        try:
            run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test says it
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        eventually(has_tried, what="it looked for a broker")
    finally:
        stop.set()
        thread.join(timeout=30)

    assert not thread.is_alive()
    assert failures == []


def test_a_lane_that_waits_for_a_blocked_broker_does_not_hang(no_broker: Settings) -> None:
    """BR-26: a memory alarm may last for hours, and each restart of a relay would send its batch once more."""
    stop = threading.Event()
    publisher = Publisher(no_broker, stop)
    publisher._outstanding = {1: UUID(int=1)}
    publisher._on_blocked("memory")

    def say_nothing(timeout: float) -> None:
        stop.wait(timeout)
        raise TimeoutError

    publisher._connection = SimpleNamespace(drain_events=say_nothing)
    began = time.monotonic()

    def wait() -> None:
        with pytest.raises(TimeoutError):
            publisher._await_confirms(0.1)

    waiting = threading.Thread(target=wait)
    waiting.start()
    try:
        eventually(lambda: publisher.looked_at > began + 0.2, what="it looks again after its time is over")
    finally:
        stop.set()
        waiting.join(timeout=30)

    assert not waiting.is_alive()


@pytest.mark.parametrize(
    ("idle_seconds", "connected", "said"),
    [(0.0, True, "consuming"), (0.0, False, "disconnected"), (main._WEDGED_SECONDS + 1, True, None)],
    ids=["works", "no broker", "hangs"],
)
def test_a_relay_says_how_its_lanes_are(
    no_broker: Settings, idle_seconds: float, connected: bool, said: str | None
) -> None:
    """One lane that hangs is enough: without a heartbeat the relay is restarted."""
    now = time.monotonic()
    well = SimpleNamespace(queue="interactive", turned_at=now, connected=False)
    other = SimpleNamespace(queue="bulk", turned_at=now - idle_seconds, connected=connected)

    main._beat(no_broker, [well, other])  # type: ignore[list-item]

    file = no_broker.heartbeat_file
    assert (json.loads(file.read_text())["state"] if file.exists() else None) == said


def test_each_wait_in_vain_is_longer_than_the_one_before(no_broker: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first wait for lost confirms is short; a slow broker gets more time at each try."""
    lane = Lane("bulk", no_broker, create_engine("postgresql+psycopg://"), threading.Event())
    waited: list[float] = []
    answers = iter([False, False, False, False, True, False])

    def publish(_messages: object, *, timeout_seconds: float) -> PublishResult:
        waited.append(timeout_seconds)
        if next(answers):
            return PublishResult()
        silence = TimeoutError("nothing was confirmed")
        raise BrokerAwayError(silence, PublishResult()) from silence

    monkeypatch.setattr(lane, "_publisher", SimpleNamespace(publish=publish))
    monkeypatch.setattr(lane, "_mark", lambda *_: None)
    for _ in range(6):
        with contextlib.suppress(BrokerAwayError):
            lane._send([])

    longest = no_broker.relay_confirm_timeout_seconds
    assert waited == [longest / 4, longest / 2, longest, longest, longest, longest / 4]
