"""`make drill`: an experiment under load with the ledger, and what stands in its way."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from chaos.drill import MIN_ACCEPTED
from tests.harness.stack import Stack
from tests.harness.waiting import eventually
from tests.proofs.drills.conftest import RATE, Start


def test_nothing_is_lost_or_doubled(start: Start, tmp_path: Path) -> None:
    """The whole drill, with its account; a slow machine may void it, but not lose an event."""
    run = start("python", "-m", "chaos", "drill", "worker_killed", "--out", str(tmp_path), *RATE)
    said, _ = run.communicate()
    assert run.returncode in {0, 3}, said

    report = json.loads(next(tmp_path.glob("*/worker_killed/drill.json")).read_text())
    assert report["outcome"]["course"] == "healed", report
    assert (report["lost"], report["doubled"]) == (0, 0), report
    assert report["accepted"] == report["executed"] >= MIN_ACCEPTED, report
    assert "worker_killed: " in next(tmp_path.glob("*/summary.md")).read_text()


def test_the_load_of_a_killed_drill_ends_and_is_accounted(single: Stack, start: Start, tmp_path: Path) -> None:
    """Given a drill that holds its fault, when it is killed, then the target is clean and the load ends by itself."""
    worker = single.machines["worker-interactive"]
    run = start("python", "-m", "chaos", "drill", "worker_killed", "--out", str(tmp_path), *RATE)
    eventually(lambda: not worker.running, what="the worker is dead")

    run.kill()

    said = eventually(
        lambda: json.loads(next(tmp_path.glob("*/worker_killed/load.json")).read_text()),
        within=300, what="the load has written its account", tolerate=(json.JSONDecodeError,),
    )  # fmt: skip
    assert said["load_ended_at"] - said["started_at"] < said["options"]["seconds"], said["reasons"]
    assert (said["lost"], said["duplicated_effects"]) == (0, 0), said["reasons"]
    assert worker.running


def test_a_second_drill_is_refused_and_ctrl_c_takes_the_first_one_back(
    single: Stack, start: Start, tmp_path: Path
) -> None:
    """Given a drill that holds its fault, another one breaks nothing; Ctrl-C ends the first in order."""
    worker = single.machines["worker-interactive"]
    first = start("python", "-m", "chaos", "drill", "worker_killed", "--out", str(tmp_path / "first"), *RATE)
    eventually(lambda: not worker.running, what="the worker is dead")

    second = start("python", "-m", "chaos", "drill", "relay_killed", "--out", str(tmp_path / "second"))
    refused, _ = second.communicate()
    first.send_signal(signal.SIGINT)
    said, _ = first.communicate()

    assert second.returncode == 4
    assert refused.startswith("Another drill is at work on this target")
    assert single.machines["relay-1"].running
    assert first.returncode == 130, said
    assert worker.running
    assert "INTERRUPTED" in said
