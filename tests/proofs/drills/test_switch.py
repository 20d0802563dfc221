"""The dead man's switch on real containers: the target is clean although the runner cannot take anything back (I17)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.harness.stack import Stack
from tests.harness.waiting import eventually
from tests.proofs.drills.conftest import EXPERIMENTS, Start, held_for

#: Longer than this test waits, so that nothing but the switch can end the fault.
HOLD_SECONDS = 1000


@pytest.mark.parametrize(
    ("sent", "deadline_seconds"),
    [
        pytest.param(signal.SIGKILL, 2 * HOLD_SECONDS, id="killed: at once"),
        pytest.param(signal.SIGSTOP, 45, id="hung: at the deadline"),
    ],
)
def test_the_target_is_clean(
    single: Stack, start: Start, tmp_path: Path, sent: signal.Signals, deadline_seconds: float
) -> None:
    """Given a frozen worker, when its runner is killed or hangs, then the worker goes on."""
    worker = single.machines["worker-interactive"]
    frozen = EXPERIMENTS / "worker_paused.yaml"
    file = held_for(frozen, HOLD_SECONDS, tmp_path, deadline_seconds=deadline_seconds)
    runner = start("chaos", "run", str(file), cwd=tmp_path)
    eventually(lambda: worker.state["Paused"], what="the worker is frozen")

    os.kill(runner.pid, sent)

    eventually(lambda: not worker.state["Paused"], what="the worker goes on")
    eventually(lambda: not list(single.state.root.glob("drills/*.undo.json")), what="nothing is left to take back")
    runner.kill()
    assert worker.running
