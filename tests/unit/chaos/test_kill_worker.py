"""The fault of a demo on SQS: the worker is dead for its time, started again whatever happens, and looked at."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tenacity import wait_fixed

from chaos.errors import NotConfirmedError, NotHealedError
from chaos.kill_worker import kill_worker


class FakeWorker:
    """A container, as far as the fault sees it."""

    name = "worker-bulk"
    exit_code = 137

    def __init__(self, *, stays_dead: bool = True, heals: bool = True) -> None:
        self.still_dead, self.healthy = stays_dead, heals
        self.started = False

    def run(self, _command: list[str]) -> str:
        """Nothing is run in a worker."""
        raise AssertionError

    def kill(self) -> float:
        """Now."""
        return time.time()

    def start(self) -> float:
        """Now."""
        self.started = True
        return time.time()


@pytest.fixture(autouse=True)
def _asks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaos.waiting.wait_fixed", lambda _: wait_fixed(0.005))
    monkeypatch.setattr("chaos.kill_worker._HEALTHY_SECONDS", 0.05)


def _told(worker: FakeWorker) -> list[str]:
    said: list[dict[str, Any]] = []
    try:
        kill_worker(worker, said.append, dead_seconds=0.02)
    finally:
        assert worker.started
    return [line["event"] for line in said]


def test_each_moment_is_told() -> None:
    """In their order."""
    wanted = ["chosen", "injected", "confirmed", "stayed_dead", "cleared", "recovered"]
    assert _told(FakeWorker()) == wanted


def test_a_worker_that_somebody_started_was_not_dead() -> None:
    """The fault has shown nothing."""
    with pytest.raises(NotConfirmedError):
        _told(FakeWorker(stays_dead=False))


def test_recovered_is_seen_and_not_assumed() -> None:
    """A container that runs need not work."""
    with pytest.raises(NotHealedError):
        _told(FakeWorker(heals=False))
