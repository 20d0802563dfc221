"""A day of drills that goes on after an interruption."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.day import begin, left, read_plan, verdicts, write_drill, write_plan
from chaos.drill import Verdict, judge
from chaos.errors import ExperimentError
from chaos.experiment import find
from chaos.runner import Course, Outcome

NAMES = ("relay_killed", "beat_killed", "redis_killed")


def test_what_has_ended_is_not_run_again(tmp_path: Path) -> None:
    """A drill that was ended early runs again, and so does one that wrote nothing down; asking removes nothing."""
    write_plan(tmp_path, NAMES, seed=7, rate=500)
    for name, course in (("relay_killed", Course.HEALED), ("beat_killed", Course.INTERRUPTED)):
        (tmp_path / name).mkdir()
        account = None if course is Course.INTERRUPTED else _ACCOUNT
        report = judge(name, Outcome(course=course, detail="because"), account)
        write_drill(tmp_path / name, find(name), report, began_at=1.0)
    (tmp_path / "redis_killed").mkdir()

    assert left(tmp_path, read_plan(tmp_path)["names"]) == ["beat_killed", "redis_killed"]

    assert report.verdict is Verdict.INTERRUPTED
    assert all((tmp_path / name).is_dir() for name in NAMES)
    assert sorted(verdicts(tmp_path)) == [Verdict.INTERRUPTED, Verdict.PASS]
    begin(tmp_path / "beat_killed")
    assert verdicts(tmp_path) == [Verdict.PASS]


@pytest.mark.parametrize("plan", [None, "", "[]", '{"seed": 7}'])
def test_a_folder_without_a_plan(tmp_path: Path, plan: str | None) -> None:
    """The error names it."""
    if plan is not None:
        (tmp_path / "plan.json").write_text(plan)
    with pytest.raises(ExperimentError, match=str(tmp_path)):
        read_plan(tmp_path)


_ACCOUNT = {"verdict": "PASS", "reasons": [], "accepted": 9000, "executed": 9000, "lost": 0, "duplicated_effects": 0}
