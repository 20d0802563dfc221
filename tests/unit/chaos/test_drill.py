"""From Chaos Toolkit's journal and the load's account to the verdict of a drill."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.drill import EXIT_CODES, MIN_ACCEPTED, Verdict, judge, worst
from chaos.runner import Course, Outcome, read_journal

IN_PLACE = {"what": "SIGKILL to relay-1", "injected_at": 100.0, "confirmed_at": 101.0}


def _activity(
    func: str, *, output: Any = None, failed: str = "", end: str = "1970-01-01T00:02:00+00:00"
) -> dict[str, Any]:
    return {
        "activity": {"provider": {"func": func}}, "output": output, "end": end,
        "status": "failed" if failed else "succeeded", "exception": [failed] if failed else None,
    }  # fmt: skip


STAYS_FAILED, BACK = _activity("stays", failed="it was started"), _activity("take_back")

#: As Chaos Toolkit leaves an activity in whose middle Ctrl-C came.
BACK_CUT_OFF = {"activity": {"provider": {"func": "take_back"}}}
CUT_OFF = {name: value for name, value in _activity("stays").items() if name in {"activity", "output"}}


def _state(output: str) -> dict[str, Any]:
    probe = _activity("whole", output=output, end="1970-01-01T00:02:05+00:00")
    return {"steady_state_met": output == "whole", "probes": [probe]}


def journal(**changes: Any) -> dict[str, Any]:
    """Of a drill that went well."""
    usual = {
        "status": "completed",
        "steady_states": {"before": _state("whole"), "after": _state("whole")},
        "run": [_activity("inject", output=IN_PLACE), _activity("stays", output="in place"), _activity("take_back")],
        "rollbacks": [_activity("take_back")],
    }
    return usual | changes


def test_its_course() -> None:
    """Each time, and what was done."""
    outcome = read_journal(journal())
    assert (outcome.course, outcome.detail) == (Course.HEALED, "SIGKILL to relay-1")
    times = (outcome.injected_at, outcome.confirmed_at, outcome.cleared_at, outcome.recovered_at)
    assert times == (100.0, 101.0, 120.0, 125.0)


@pytest.mark.parametrize(
    ("changes", "course", "detail"),
    [
        (
            {"run": [], "status": "failed", "steady_states": {"before": _state("beat is frozen"), "after": None}},
            Course.REFUSED, "beat is frozen",
        ),
        (
            {"run": [_activity("inject", failed="NotConfirmedError: x"), STAYS_FAILED, BACK]},
            Course.VOID, "NotConfirmedError: x",
        ),
        (
            {"run": [_activity("inject", output=IN_PLACE), STAYS_FAILED, BACK]},
            Course.VOID, "it was started",
        ),
        (
            {"steady_states": {"before": _state("whole"), "after": _state("relay-1 ended with 137")}},
            Course.BROKEN, "relay-1 ended with 137",
        ),
        (
            {"rollbacks": [_activity("take_back", failed="NotHealedError: docker start")]},
            Course.BROKEN, "NotHealedError: docker start",
        ),
        (
            {"status": "interrupted", "run": [_activity("inject", output=IN_PLACE), CUT_OFF], "steady_states": {}},
            Course.INTERRUPTED, "taken back",
        ),
        (
            {"status": "interrupted", "run": [_activity("inject", output=IN_PLACE), BACK_CUT_OFF]},
            Course.INTERRUPTED, "taken back",
        ),
        (
            {
                "status": "interrupted", "run": [_activity("inject", output=IN_PLACE), BACK_CUT_OFF],
                "rollbacks": [_activity("take_back", failed="NotHealedError: docker start")],
            },
            Course.BROKEN, "NotHealedError: docker start",
        ),
        (
            {
                "status": "interrupted",
                "run": [_activity("inject", output=IN_PLACE), _activity("take_back", failed="NotHealedError: full")],
            },
            Course.BROKEN, "NotHealedError: full",
        ),
    ],
)  # fmt: skip
def test_what_else_may_happen(changes: dict[str, Any], course: Course, detail: str) -> None:
    """Whoever broke nothing proved nothing; whoever left something behind broke more than was wanted."""
    outcome = read_journal(journal(**changes))
    assert outcome.course is course
    assert detail in outcome.detail


def _account(**changes: Any) -> dict[str, Any]:
    usual = {"verdict": "PASS", "reasons": [], "accepted": 9_000, "executed": 9_000, "lost": 0, "duplicated_effects": 0}
    return usual | changes


@pytest.mark.parametrize(
    ("course", "account", "verdict"),
    [
        (Course.HEALED, _account(), Verdict.PASS),
        (Course.HEALED, _account(accepted=MIN_ACCEPTED - 1), Verdict.VOID),
        (Course.HEALED, _account(verdict="VOID", reasons=["late"]), Verdict.VOID),
        (Course.HEALED, _account(verdict="FAIL", lost=1), Verdict.FAIL),
        (Course.VOID, _account(), Verdict.VOID),
        (Course.VOID, _account(verdict="FAIL", lost=1), Verdict.FAIL),
        (Course.REFUSED, _account(), Verdict.VOID),
        (Course.BROKEN, _account(), Verdict.FAIL),
        (Course.INTERRUPTED, None, Verdict.INTERRUPTED),
    ],
)
def test_the_verdict(course: Course, account: dict[str, Any] | None, verdict: Verdict) -> None:
    """A lost event is FAIL, even if the fault did not happen; a drill with too little load is VOID."""
    report = judge("relay_killed", Outcome(course=course, detail="because"), account)
    assert report.verdict is verdict
    assert report.line().startswith(f"relay_killed: {verdict} (")
    assert (EXIT_CODES[report.verdict] == 0) is (verdict is Verdict.PASS)


def test_the_worst_of_several() -> None:
    """A drill that showed nothing does not hide one that lost something."""
    assert worst([Verdict.PASS, Verdict.FAIL, Verdict.VOID]) is Verdict.FAIL
    assert worst([Verdict.PASS, Verdict.VOID]) is Verdict.VOID


def test_its_line() -> None:
    """Injected, confirmed, recovered; accepted, executed, lost, doubled."""
    assert judge("relay_killed", read_journal(journal()), _account()).line() == (
        "relay_killed: PASS (SIGKILL to relay-1); confirmed 1.0 s after it was injected, taken back 20.0 s "
        "after it was injected, recovered 5.0 s after it was taken back; "
        "accepted 9,000, executed 9,000, lost 0, doubled 0"
    )
