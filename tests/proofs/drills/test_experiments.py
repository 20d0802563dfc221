"""Experiments by Chaos Toolkit's own command: each fault happens, and the target is as it was afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chaos.runner import Course, read_journal
from tests.proofs.drills.conftest import EXPERIMENTS, Start, held_for

#: A death, a freeze, an alarm, a mistake, a network, a lack: each of another kind, none that needs a second broker.
CHOSEN = (
    "relay_killed", "redis_paused", "broker_memory_alarm", "relay_login_refused", "worker_starved",
    "worker_unheard_by_broker", "worker_child_out_of_memory", "redis_out_of_memory",
)  # fmt: skip


#: This proves that a fault happens and is taken back; how the stack bears it for longer is for `make drills`.
HOLD_SECONDS = 3


@pytest.mark.parametrize("name", CHOSEN)
def test_it_happens_and_is_taken_back(start: Start, tmp_path: Path, name: str) -> None:
    """By its file, held for a shorter time."""
    journal, file = tmp_path / "journal.json", held_for(EXPERIMENTS / f"{name}.yaml", HOLD_SECONDS, tmp_path)
    run = start("chaos", "run", "--journal-path", str(journal), str(file), cwd=tmp_path)
    said, _ = run.communicate()
    outcome = read_journal(json.loads(journal.read_text()))

    assert outcome.course is Course.HEALED, f"{outcome}\n{said}"
    times = (outcome.injected_at, outcome.confirmed_at, outcome.cleared_at, outcome.recovered_at)
    assert None not in times
    assert sorted(times) == list(times)  # type: ignore[type-var]
