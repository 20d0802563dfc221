"""The dead man's switch on real containers: the target is clean although the runner cannot take anything back (I17)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import yaml

from tests.harness.stack import Stack
from tests.harness.waiting import eventually
from tests.proofs.drills.conftest import EXPERIMENTS, Start

#: Longer than this test waits, so that nothing but the switch can end the fault.
HOLD_SECONDS = 1000


def _long(folder: Path, *, deadline_seconds: float) -> Path:
    """A worker frozen for so long that its runner never gets to its end."""
    document = yaml.safe_load((EXPERIMENTS / "worker_paused.yaml").read_text())
    document["method"][0]["provider"]["arguments"]["deadline_seconds"] = deadline_seconds
    document["method"][1]["provider"]["arguments"]["seconds"] = HOLD_SECONDS
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


@pytest.mark.parametrize(
    ("sent", "deadline_seconds"),
    [
        pytest.param(signal.SIGKILL, 2 * HOLD_SECONDS, id="killed: at once"),
        pytest.param(signal.SIGSTOP, 8, id="hung: at the deadline"),
    ],
)
def test_the_target_is_clean(
    single: Stack, start: Start, tmp_path: Path, sent: signal.Signals, deadline_seconds: float
) -> None:
    """Given a frozen worker, when its runner is killed or hangs, then the worker goes on."""
    worker = single.machines["worker-interactive"]
    runner = start("chaos", "run", str(_long(tmp_path, deadline_seconds=deadline_seconds)), cwd=tmp_path)
    eventually(lambda: worker.state["Paused"], what="the worker is frozen")

    os.kill(runner.pid, sent)

    eventually(lambda: not worker.state["Paused"], what="the worker goes on")
    eventually(lambda: not list(single.state.root.glob("drills/*.undo.json")), what="nothing is left to take back")
    runner.kill()
    assert worker.running
