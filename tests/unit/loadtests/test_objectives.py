"""Objectives: each is missed by its own mutant of a good run, and the file that sets them is held to its form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtests.errors import ObjectivesError
from loadtests.latency import measure
from loadtests.objective_file import DEFAULT_FILE, Bounds, ObjectiveFile
from loadtests.objectives import Figures, assess
from loadtests.reconcile import reconcile
from loadtests.synthetic import Request, make_run
from loadtests.verdict import Verdict
from tests.unit.loadtests.judged_run import GOOD

PAGE = (Path(__file__).parents[3] / "docs" / "verdict.md").read_text()
_LATENCIES = measure(GOOD.history, GOOD.seen)
_ACCOUNTING = reconcile(GOOD.history, GOOD.seen)
FIGURES = Figures(
    accounting=replace(_ACCOUNTING, requests={**_ACCOUNTING.requests, "accepted": 603}),
    latencies=_LATENCIES,
    executed_in_time=_ACCOUNTING.planned,
    executed_events_per_second=500.0,
    stall_seconds=0.1,
    recovery_seconds=2.0,
    fault_injected=True,
)
BOUNDS = Bounds(**{
    **ObjectiveFile.read().under_fault.model_dump(), "executed_events_per_second_at_least": 400.0,
})  # fmt: skip
MUTANTS: dict[str, Figures] = {
    "accepted_share_at_least": replace(
        FIGURES, accounting=replace(FIGURES.accounting, requests={**FIGURES.accounting.requests, "accepted": 602})
    ),
    "executed_share_at_least": replace(FIGURES, accounting=replace(FIGURES.accounting, executed=603)),
    "in_time_share_at_least": replace(FIGURES, executed_in_time=500),
    "executed_events_per_second_at_least": replace(FIGURES, executed_events_per_second=399.0),
    "stall_seconds_at_most": replace(FIGURES, stall_seconds=1.01),
    "recovery_seconds_at_most": replace(FIGURES, recovery_seconds=15.1),
} | {
    key: replace(FIGURES, latencies=replace(_LATENCIES, **{name: replace(getattr(_LATENCIES, name), p99=10_001.0)}))
    for key, name in {
        "single_p99_ms_at_most": "end_to_end_single",
        "list_p99_ms_at_most": "end_to_end_list",
        "answer_p99_ms_at_most": "http",
        "lateness_p99_ms_at_most": "send_lateness",
    }.items()
}


def missed(figures: Figures, bounds: Bounds = BOUNDS) -> list[str]:
    """The keys of the objectives that are not met."""
    return [objective.key for objective in assess(figures, bounds) if not objective.met]


@pytest.mark.parametrize("key", Bounds.model_fields)
def test_a_mutant_misses_its_objective_and_no_other(key: str) -> None:
    """A good run meets all of them, and each has its line in the documentation."""
    assert missed(FIGURES) == []
    assert missed(MUTANTS[key]) == [key]
    assert f"| `{key}` |" in PAGE


def test_a_missed_objective_breaks_no_promise() -> None:
    """One request of 603 is refused in the good run: the verdict is PASS, and the share of accepted ones too small."""
    assert GOOD.verdict is Verdict.PASS
    assert missed(replace(FIGURES, accounting=_ACCOUNTING)) == ["accepted_share_at_least"]


def test_a_system_that_did_not_recover_has_missed_the_objective() -> None:
    """Without a fault there is nothing to recover from."""
    never = replace(FIGURES, recovery_seconds=None)
    assert missed(never) == ["recovery_seconds_at_most"]
    assert assess(never, BOUNDS)[-1].detail == "not seen before the run ended (at most 15.0 s)"
    assert missed(replace(never, fault_injected=False)) == []


def test_a_run_of_lists_shows_no_interactive_latency() -> None:
    """An objective that nothing was measured for is not said to be met; nor is one that the file leaves out."""
    history, seen = make_run([Request(events=100)])
    figures = replace(FIGURES, accounting=reconcile(history, seen), latencies=measure(history, seen))
    keys = [each.key for each in assess(figures, BOUNDS)]
    assert "single_p99_ms_at_most" not in keys
    assert "list_p99_ms_at_most" in keys
    assert assess(FIGURES, Bounds()) == []


def test_the_file_holds_what_the_promises_say() -> None:
    """P4's second and its success, P5's second without progress."""
    file = ObjectiveFile.read()
    assert (file.steady.single_p99_ms_at_most, file.steady.accepted_share_at_least) == (1000, 0.999)
    assert file.bounds(fault=True).stall_seconds_at_most == 1
    assert file.bounds(fault=False) is file.steady


@pytest.mark.parametrize(
    ("line", "instead", "message"),
    [
        ("list_p99_ms_at_most = 2000", "list_p99_ms_at_most = '1 s'",
         "steady.list_p99_ms_at_most = '1 s': write a number, 0 or more, or remove the line so that it is not judged."),
        ("accepted_share_at_least = 0.999", "accepted_share_at_least = 99.9",
         "steady.accepted_share_at_least = 99.9: write a share from 0 to 1,"),
        ("list_p99_ms_at_most = 2000", "list_p99_ms_at_most = -1", "steady.list_p99_ms_at_most = -1: write a number"),
        ("list_p99_ms_at_most = 2000", "list_p99_ms_at_most = inf", "list_p99_ms_at_most = inf: write a number"),
        ("list_p99_ms_at_most = 2000", "lists = 2000", "steady.lists: no such objective. Remove it, or use"),
        ("[steady]", "[calm]", "calm: no such table. Remove it, or use one of: steady, under_fault."),
        ("[steady]", "[calm]", "[steady]: the table is missing. Add it; it may be empty."),
        ("[steady]", "steady = 1\n[other]", "steady = 1: must be a table. Write [steady]"),
        ("[steady]", "[steady", "is not TOML"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, line: str, instead: str, message: str) -> None:
    """The file, the key, its value, and what to write."""
    path = tmp_path / "my.toml"
    path.write_text(DEFAULT_FILE.read_text().replace(line, instead, 1))
    with pytest.raises(ObjectivesError) as refused:
        ObjectiveFile.read(path)
    assert str(path) in str(refused.value)
    assert message in str(refused.value)


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: Any) -> None:
    """It is not there, or it is no text."""
    path = tmp_path / "my.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ObjectivesError, match=r"my\.toml"):
        ObjectiveFile.read(path)
