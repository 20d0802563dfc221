"""When a process counts as healthy."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.telemetry import heartbeat
from app.telemetry.probe import main, verdict


@pytest.mark.parametrize(
    ("mode", "state", "age_seconds", "healthy"),
    [
        ("ready", "consuming", 3, True),
        ("ready", "consuming", 11, False),
        ("ready", "disconnected", 1, False),
        ("ready", "starting", 1, False),
        ("live", "consuming", 59, True),
        ("live", "consuming", 61, False),
        ("ready", "subscribing", 1, False),
        ("live", "subscribing", 61, False),
        ("live", "disconnected", 61, True),
        ("live", "disconnected", 1801, False),
    ],
)
def test_health_follows_state_and_age(mode: str, state: str, age_seconds: float, healthy: bool) -> None:
    """A broker outage makes a worker unready; only a wedged loop makes it dead."""
    assert healthy is verdict(mode, state, age_seconds)


def test_the_probe_reads_what_the_process_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file that a heartbeat writes is the file that the probe understands."""
    path = tmp_path / "heartbeat.json"
    monkeypatch.setenv("MILLRACE_HEARTBEAT_FILE", str(path))

    assert main(["ready"]) == 1
    heartbeat.write(path, "consuming")
    assert main(["ready"]) == 0
    assert "consuming" in capsys.readouterr().out
