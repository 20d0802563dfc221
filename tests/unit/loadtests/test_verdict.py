"""PASS, FAIL and VOID, and that the grave one wins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadtests.fault import Fault, read_fault
from loadtests.history import Outcome
from loadtests.latency import Latencies, Latency, measure
from loadtests.reconcile import Accounting, reconcile
from loadtests.synthetic import Request, make_run
from loadtests.verdict import (
    EXIT_CODES,
    MAX_LATENESS_P99_MS,
    MIN_DEAD_SECONDS,
    Conduct,
    Verdict,
    achieved,
    decide,
    judge,
)

FAULT = Fault(injected_at=100.0, confirmed_at=101.0, cleared_at=132.0, recovered_at=150.0)
GOOD = Conduct(fault_wanted=True, fault=FAULT, drained=True, clock_offset_seconds=0.0)


def good_run() -> tuple[Accounting, Latencies]:
    """A faultless run of 200 requests."""
    history, seen = make_run([Request() for _ in range(200)])
    return reconcile(history, seen), measure(history, seen)


def verdict(
    accounting: Accounting | None = None, latencies: Latencies | None = None, conduct: Conduct = GOOD
) -> Verdict:
    """The verdict over a good run with these parts replaced."""
    good_accounting, good_latencies = good_run()
    return decide(judge(accounting or good_accounting, latencies or good_latencies, conduct))


def test_a_good_run_passes() -> None:
    """Everything accounted for, and the fault proved."""
    assert verdict() is Verdict.PASS


def test_a_run_without_a_fault_can_pass() -> None:
    """Where no fault was asked for, none is missed."""
    assert verdict(conduct=replace(GOOD, fault_wanted=False, fault=None)) is Verdict.PASS


@pytest.mark.parametrize(
    "wrong",
    [
        {"lost": 1},
        {"duplicated_by_rows": 1},
        {"unexpected": 1},
        {"altered": 1},
        {"without_inbox": 1},
        {"unknown_torn_requests": 1},
    ],
)
def test_each_broken_promise_fails(wrong: dict[str, int]) -> None:
    """One is enough."""
    accounting = replace(good_run()[0], **wrong)  # type: ignore[arg-type]

    assert verdict(accounting) is Verdict.FAIL


@pytest.mark.parametrize("wrong", ["surplus", "missing", "wrong_balances", "sum_of_balances"])
def test_wrong_totals_fail_by_themselves(wrong: str) -> None:
    """The accounts are a witness of their own."""
    accounting = good_run()[0]

    totals = replace(accounting.totals, **{wrong: 1})

    assert verdict(replace(accounting, totals=totals)) is Verdict.FAIL


def test_work_left_over_fails() -> None:
    """What is still queued after the drain's time was not executed."""
    assert verdict(conduct=replace(GOOD, drained=False)) is Verdict.FAIL


@pytest.mark.parametrize(
    "fault",
    [
        None,
        Fault(error="no node has a worker"),
        replace(FAULT, confirmed_at=None),
        replace(FAULT, cleared_at=FAULT.injected_at + MIN_DEAD_SECONDS - 0.1),  # type: ignore[operator]
        replace(FAULT, cleared_at=None),
    ],
)
def test_a_fault_that_is_not_proved_voids(fault: Fault | None) -> None:
    """A run that survived nothing proves nothing."""
    assert verdict(conduct=replace(GOOD, fault=fault)) is Verdict.VOID


def test_a_fault_of_just_30_seconds_counts() -> None:
    """The bound belongs to the good side."""
    assert verdict(conduct=replace(GOOD, fault=replace(FAULT, cleared_at=100.0 + MIN_DEAD_SECONDS))) is Verdict.PASS


@pytest.mark.parametrize(("late", "expected"), [(MAX_LATENESS_P99_MS, Verdict.PASS), (251.0, Verdict.VOID)])
def test_a_late_generator_voids(late: float, expected: Verdict) -> None:
    """Above the bound another load was offered than the report says."""
    latencies = good_run()[1]

    lateness = Latency(count=10, p50=1, p95=1, p99=late, max=late, negative=0)

    assert verdict(latencies=replace(latencies, send_lateness=lateness)) is expected


@pytest.mark.parametrize(("left_out", "expected"), [(2, Verdict.PASS), (3, Verdict.VOID)])
def test_an_incomplete_schedule_voids(left_out: int, expected: Verdict) -> None:
    """At least 99 % of the requests must have been sent."""
    history, seen = make_run(
        [Request() for _ in range(200 - left_out)] + [Request(outcome=Outcome.NOT_SENT)] * left_out
    )
    accounting = reconcile(history, seen)

    assert achieved(accounting) == 1 - left_out / 200
    assert verdict(accounting) is expected


def test_a_negative_latency_voids() -> None:
    """An effect before its request is a broken clock, and no figure of such a run can be trusted."""
    latencies = good_run()[1]

    assert verdict(latencies=replace(latencies, end_to_end=replace(latencies.end_to_end, negative=1))) is Verdict.VOID


@pytest.mark.parametrize("offset", [0.06, -0.06])
def test_clocks_that_disagree_void(offset: float) -> None:
    """End-to-end latencies span two clocks."""
    assert verdict(conduct=replace(GOOD, clock_offset_seconds=offset)) is Verdict.VOID


def test_a_generator_that_died_voids() -> None:
    """Its ledger is still judged, but it is not the load that was asked for."""
    assert verdict(conduct=replace(GOOD, generator_error="killed")) is Verdict.VOID


def test_nothing_accepted_voids() -> None:
    """Nothing lost of nothing is no proof."""
    history, seen = make_run([Request(outcome=Outcome.REFUSED)] * 10)

    assert verdict(reconcile(history, seen)) is Verdict.VOID


def test_fail_beats_void() -> None:
    """An event that was lost is lost, however badly the run was conducted."""
    accounting = replace(good_run()[0], lost=1)

    assert verdict(accounting, conduct=replace(GOOD, fault=None)) is Verdict.FAIL


def test_notes_decide_nothing() -> None:
    """A dead letter with its reason and a refused request are accounted for."""
    history, seen = make_run([Request()] * 5 + [Request(dead_lettered=True), Request(outcome=Outcome.REFUSED)])

    checks = judge(reconcile(history, seen), measure(history, seen), GOOD)

    assert decide(checks) is Verdict.PASS
    assert [check.name for check in checks if not check.ok] == ["gateway answered everything", "no dead letters"]


def test_exit_codes_are_those_of_the_documentation() -> None:
    """0, 1 and 3, which scripts rely on."""
    assert EXIT_CODES == {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.VOID: 3}


def test_a_faults_evidence_is_put_together_from_its_lines() -> None:
    """Later lines add to earlier ones; a stray print is left out."""
    fault = read_fault(
        [b'{"event":"chosen","node":"n"}', b"Warning!", b'{"event":"injected","injected_at":5.0}', b'"x"']
    )

    assert fault.evidence == {"node": "n", "injected_at": 5.0}
    assert (fault.injected_at, fault.confirmed) == (5.0, False)
    assert fault.dead_seconds == 0
