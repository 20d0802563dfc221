"""The relay's main loop reports when its lanes have a broker."""

from __future__ import annotations

import json
import time
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.relay import main
from app.settings import Settings
from app.telemetry.heartbeat import BEAT_SECONDS


def test_a_broker_is_told_of_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While no lane has a broker the relay looks often, so it reports its first connection soon."""
    lane = SimpleNamespace(queue="bulk", connected=False, turned_at=time.monotonic())
    settings = Settings(heartbeat_file=tmp_path / "heartbeat.json")
    ended: Future[None] = Future()
    pauses: list[float] = []

    def wait(waiting: set[Future[None]], *, timeout: float, **_: Any) -> tuple[set[Future[None]], set[Future[None]]]:
        pauses.append(timeout)
        lane.connected = len(pauses) > 1
        if len(pauses) < 3:
            return set(), waiting
        ended.set_result(None)
        return waiting, set()

    monkeypatch.setattr(main, "wait", wait)
    monkeypatch.setattr(main, "_patiently", lambda _: None)  # without a database
    main.watch(settings, None, [lane], [ended])  # type: ignore[arg-type, list-item]
    assert pauses[:2] == [pauses[0]] * 2
    assert pauses[0] < BEAT_SECONDS == pauses[2]
    assert json.loads(settings.heartbeat_file.read_text())["state"] == "consuming"
