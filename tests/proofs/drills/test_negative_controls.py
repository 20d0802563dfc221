"""Negative controls: on a stack that breaks a promise, the drill that attacks this promise is FAIL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.failpoints import Failpoint
from tests.harness import mutants
from tests.harness.stack import Stack
from tests.proofs.drills.conftest import RATE, Start


@pytest.mark.parametrize(
    ("service", "bug", "moment", "experiment", "broken"),
    [
        ("worker-bulk", "early_acknowledgement", Failpoint.WORKER_MIDDLE_OF_BATCH, "bulk_worker_killed", "lost"),
        ("worker-bulk", "effect_outside_inbox", Failpoint.WORKER_MIDDLE_OF_BATCH, "bulk_worker_killed", "doubled"),
        ("relay-1", "mark_before_confirm", Failpoint.RELAY_AFTER_CLAIM, "relay_killed", "lost"),
    ],
)
def test_a_broken_promise_turns_its_drill_red(
    single: Stack,
    start: Start,
    tmp_path: Path,
    *,
    service: str,
    bug: str,
    moment: Failpoint,
    experiment: str,
    broken: str,
) -> None:
    """Exit code 2, and the report says whether events were lost or doubled."""
    if service == "relay-1":
        # It is faster than one that lingers, and would leave it nothing to lose.
        single.remove("relay-2")
    mutants.plant(single, service, bug, environment={"MUTANT_LINGERS_AT": moment})

    run = start("python", "-m", "chaos", "drill", experiment, "--out", str(tmp_path), *RATE)
    said, _ = run.communicate()

    assert run.returncode == 2, said
    report = json.loads(next(tmp_path.glob(f"*/{experiment}/drill.json")).read_text())
    assert report["verdict"] == "FAIL", report
    assert report[broken] > 0, report


def test_a_rate_limit_of_each_process_turns_its_drill_red(single: Stack, start: Start, tmp_path: Path) -> None:
    """The far side counts more calls than the limit allows; nothing of the events is lost."""
    single.replace("beat")
    mutants.plant(single, "worker-external", "limit_of_its_own")

    run = start("python", "-m", "chaos", "drill", "external_worker_killed", "--out", str(tmp_path), *RATE)
    said, _ = run.communicate()

    assert run.returncode == 2, said
    report = json.loads(next(tmp_path.glob("*/external_worker_killed/drill.json")).read_text())
    assert report["verdict"] == "FAIL", report
    assert "rate limit never exceeded" in report["reason"], report
