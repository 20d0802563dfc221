"""The page of a day of drills: what is read from its folder, and what stands on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loadtests.day import read_day
from loadtests.day_report import figure, render_day, write_day
from loadtests.errors import DayError

LINE = {
    "intended": [10, 10], "accepted": [10, 9], "executed": [10, 0], "pending": [0, 9], "p99_milliseconds": [50, 0],
}  # fmt: skip


def _ran(folder: Path, name: str, *, began_at: float, account: Any = None, **changes: Any) -> None:
    drill = {
        "name": name, "title": f"The {name}", "promises": ["P1", "P10"], "verdict": "PASS", "reason": "<b>killed</b>",
        "began_at": began_at, "accepted": 600_000, "executed": 600_000, "lost": 0, "doubled": 0,
        "outcome": {"injected_at": began_at + 1, "cleared_at": began_at + 16, "recovered_at": began_at + 20},
    }  # fmt: skip
    (folder / name).mkdir()
    (folder / name / "drill.json").write_text(json.dumps(drill | changes))
    (folder / name / "load.json").write_text(json.dumps(account) if account else "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two drills in another order than that of their names, one without an account, and one that has not run."""
    (tmp_path / "plan.json").write_text(json.dumps({"seed": 7, "rate": 300, "names": ["relay", "beat", "redis"]}))
    _ran(tmp_path, "relay", began_at=100.0, account={"started_at": 100.0, "timeline": LINE})
    _ran(
        tmp_path, "beat", began_at=200.0, verdict="INTERRUPTED", promises=["P2"], accepted=0, executed=0,
        outcome={"injected_at": None, "cleared_at": None, "recovered_at": None},
    )  # fmt: skip
    return tmp_path


def test_its_totals(folder: Path) -> None:
    """The gravest verdict is that of the day; what is planned and has not run is named."""
    day = read_day(folder)

    assert [drill.name for drill in day.drills] == ["relay", "beat"]
    assert (day.verdict, day.accepted, day.missing) == ("INTERRUPTED", 600_000, ("redis",))
    assert day.promises == ("P1", "P2", "P10")
    assert (day.drills[0].fault_seconds, day.drills[0].recovery_seconds) == (15.0, 4.0)


def test_a_lost_event_makes_the_day_red(folder: Path) -> None:
    """Whatever the other drills showed."""
    _ran(folder, "redis", began_at=300.0, verdict="FAIL", lost=1)
    (folder / "beat" / "drill.json").unlink()

    day = read_day(folder)

    assert (day.verdict, day.lost, dict(day.verdicts)) == ("FAIL", 1, {"PASS": 1, "FAIL": 1})


def test_the_timeline_has_a_gap_after_each_drill_and_each_fault_is_shaded(folder: Path) -> None:
    """A second without an effect has no p99."""
    drawn = figure(read_day(folder))

    lines = {trace["name"]: trace["y"] for trace in drawn["data"]}
    assert lines["offered"] == [10, 10, None]
    assert lines["p99 of those executed"] == [50, None, None]
    [window] = drawn["layout"]["shapes"]
    assert (window["x0"], window["x1"]) == ("1970-01-01 00:01:41.000000", "1970-01-01 00:01:56.000000")
    assert [number["text"] for number in drawn["layout"]["annotations"]] == ["1"]


def test_the_page_and_its_data(folder: Path) -> None:
    """What a drill says is escaped."""
    page = write_day(folder, read_day(folder)).read_text()

    assert "600,000 events were accepted, 0 lost, 0 doubled" in page.replace("\n", " ")
    assert "&lt;b&gt;killed" in page
    assert page == render_day(read_day(folder))
    assert json.loads((folder / "day.json").read_text())["drills"][0]["name"] == "relay"


@pytest.mark.parametrize("wrong", ["", "{", '{"name": "x"}'])
def test_a_folder_that_is_no_day(tmp_path: Path, wrong: str) -> None:
    """The error names it."""
    (tmp_path / "relay").mkdir()
    if wrong:
        (tmp_path / "relay" / "drill.json").write_text(wrong)

    with pytest.raises(DayError, match=str(tmp_path)):
        read_day(tmp_path)
