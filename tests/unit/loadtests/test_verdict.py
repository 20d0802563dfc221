"""PASS, FAIL and VOID: each check is turned red by its own mutant of a good run, and by no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from loadtests.fault import Fault, read_fault
from loadtests.history import Effect, Outcome
from loadtests.jobs import JobState
from loadtests.latency import measure
from loadtests.objectives import ACCEPTED_SHARE, START_WITHIN_MS, assess
from loadtests.observation import Account
from loadtests.reconcile import reconcile
from loadtests.synthetic import START, Request, make_run
from loadtests.verdict import (
    EXIT_CODES,
    MAX_CLOCK_OFFSET_SECONDS,
    MAX_FAILED_SHARE,
    MIN_ACCEPTED,
    MIN_DEAD_SECONDS,
    Verdict,
    Weight,
)
from tests.unit.loadtests.judged_run import (
    FAULT,
    FIRST,
    GOOD,
    LIST_JOB,
    SINGLES,
    Run,
    answered,
    first_row,
    job,
    larger,
    late,
    nameless,
    refused_effect,
    smaller,
    torn,
)

#: Check, what is wrong, and the mutant. What a fault would change in a real run changes in the mutant, too.
MUTANTS: tuple[tuple[str, str, Callable[[Run], Run]], ...] = (
    ("nothing lost", "an event never ran", lambda run: run.without(0)),
    ("nothing lost", "it is in the inbox alone", lambda run: run.without(0).saw(inbox=run.seen.inbox)),
    ("each effect once (rows)", "a second row", lambda run: run.saw(effects=(*run.seen.effects, FIRST))),
    ("each effect once (totals)", "counted twice", lambda run: run.moved("u1", count=1, amount=7)),
    ("each effect once (totals)", "not counted", lambda run: run.moved("u1", count=-1, amount=-2)),
    ("each effect once (totals)", "another amount", lambda run: run.moved("u2", amount=1)),
    ("balances sum to zero", "one side moved", lambda run: run.saw(
        accounts_after={**run.seen.accounts_after, "clearing:00": Account(0, 1)}
    )),
    ("nothing from nowhere", "nobody sent it", lambda run: run.executing(Effect("no such event", "u1", 3))),
    ("nothing refused ran", "after a refusal", lambda run: run.executing(refused_effect(run))),
    ("nothing altered", "another user", lambda run: first_row(run, user_id="u1")),
    ("nothing altered", "another amount", lambda run: first_row(run, amount=FIRST.amount + 1)),
    ("nothing altered", "another type, time or payload", lambda run: first_row(run, digest="0")),
    ("effect and inbox together", "no inbox entry", lambda run: run.saw(inbox=run.seen.inbox - {FIRST.event_id})),
    ("executed or dead, not both", "a letter too", lambda run: run.saw(dead_letters={FIRST.event_id: "rejected"})),
    ("unknown requests ran whole or never", "a part ran", torn),
    ("each request has its job", "no row", lambda run: run.saw(
        jobs={name: stored for name, stored in run.seen.jobs.items() if name != LIST_JOB}
    )),
    ("each request has its job", "other events", lambda run: job(run, event_ids=frozenset({FIRST.event_id}))),
    ("each request has its job", "an answer without a job", lambda run: run.with_attempts(nameless)),
    ("jobs say what happened", "the tables say otherwise", lambda run: job(run, state=JobState.PARTIALLY_FAILED)),
    ("jobs say what happened", "the gateway says: retrying", lambda run: run.saw(
        job_answers={**run.seen.job_answers, LIST_JOB: JobState.WAITING}
    )),
    ("jobs say what happened", "the gateway knows no such job", lambda run: run.saw(
        job_answers={LIST_JOB: JobState.UNTOLD}
    )),
    ("requests were accepted", "25 have no answer", lambda run: run.with_attempts(
        answered(Outcome.UNKNOWN, range(25))
    )),
    ("requests were accepted", "25 are refused", lambda run: larger(run, *[Request(outcome=Outcome.REFUSED)] * 25)),
    ("drained", "work is left", lambda run: run.went(drained=False)),
    ("enough was accepted", "99 events", smaller),
    ("enough was accepted", "less than half of what was planned", lambda run: larger(
        run.went(max_failed_share=1.0), Request(outcome=Outcome.UNKNOWN, events=SINGLES + 8)
    )),
    ("schedule kept", "1 % was not sent", lambda run: larger(run, *[Request(outcome=Outcome.NOT_SENT)] * 25)),
    ("generator on time", "each 300 ms late", lambda run: run.with_attempts(late)),
    ("clocks agree", "ahead", lambda run: run.went(clock_offset_seconds=MAX_CLOCK_OFFSET_SECONDS + 0.001)),
    ("clocks agree", "behind", lambda run: run.went(clock_offset_seconds=-MAX_CLOCK_OFFSET_SECONDS - 0.001)),
    ("clocks agree", "an effect before its request", lambda run: first_row(run, stored_at=START - 1)),
    ("generator finished", "it died", lambda run: run.went(generator_error="killed")),
    ("fault confirmed", "nobody saw it", lambda run: run.went(fault=replace(FAULT, confirmed_at=None))),
    ("node dead long enough", "a moment too short", lambda run: run.went(
        fault=replace(FAULT, cleared_at=100.0 + MIN_DEAD_SECONDS - 0.1)
    )),
    ("node dead long enough", "never started again", lambda run: run.went(fault=replace(FAULT, cleared_at=None))),
    ("no dead letters", "a list in parts", lambda run: larger(run, Request(dead_lettered=True))),
)  # fmt: skip


def test_a_good_run_passes() -> None:
    """Everything accounted for, and the fault proved; so does a run in which no fault was asked for."""
    assert (GOOD.red, GOOD.verdict) == ([], Verdict.PASS)
    assert GOOD.went(fault_wanted=False, fault=None).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("check", "mutant"),
    [(check, mutant) for check, _, mutant in MUTANTS],
    ids=[f"{check}: {what}" for check, what, _ in MUTANTS],
)
def test_a_mutant_turns_its_check_red_and_no_other(check: str, mutant: Callable[[Run], Run]) -> None:
    """A check that stays green says nothing; one that turns red with others says too much."""
    run = mutant(GOOD)
    weight = next(each.weight for each in run.checks if each.name == check)

    assert run.red == [check]
    assert run.verdict is {Weight.FAIL: Verdict.FAIL, Weight.VOID: Verdict.VOID, Weight.NOTE: Verdict.PASS}[weight]


def test_every_check_has_a_mutant() -> None:
    """A new check needs one."""
    assert {check for check, _, _ in MUTANTS} == {check.name for check in GOOD.checks}


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (GOOD.without(0).went(fault=None), Verdict.FAIL),
        (GOOD.went(fault=None), Verdict.VOID),
        (GOOD.went(fault=Fault(error="no node has a worker")), Verdict.VOID),
    ],
)
def test_fail_beats_void(broken: Run, expected: Verdict) -> None:
    """An event that was lost is lost, however badly the run was conducted."""
    assert broken.verdict is expected


def test_one_accepted_of_a_hundred_fails() -> None:
    """Though nothing was lost, and though nothing was accepted of which anything could be said."""
    run = Run(*make_run([Request(), *[Request(outcome=Outcome.REFUSED)] * 99]))

    assert run.red == ["requests were accepted", "enough was accepted"]
    assert run.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (GOOD.went(fault=replace(FAULT, cleared_at=100.0 + MIN_DEAD_SECONDS)), Verdict.PASS),
        (Run(*make_run([Request()] * MIN_ACCEPTED)), Verdict.PASS),
        (Run(*make_run([*[Request()] * 198, *[Request(outcome=Outcome.NOT_SENT)] * 2])), Verdict.PASS),
        (Run(*make_run([*[Request()] * 198, *[Request(outcome=Outcome.REFUSED)] * 2])), Verdict.PASS),
        (Run(*make_run([*[Request()] * 195, *[Request(outcome=Outcome.REFUSED)] * 5])), Verdict.FAIL),
        (
            Run(*make_run([*[Request()] * 195, *[Request(outcome=Outcome.REFUSED)] * 5])).went(max_failed_share=0.025),
            Verdict.PASS,
        ),
    ],
)
def test_a_bound_belongs_to_the_good_side(run: Run, expected: Verdict) -> None:
    """And a run may state a larger share of failed requests, where its fault explains them."""
    assert MAX_FAILED_SHARE == 0.01
    assert run.verdict is expected


def test_objectives_are_no_checks() -> None:
    """A slow run that refused a few requests has missed both, and passes."""
    good = Run(*make_run([Request()] * SINGLES))
    run = Run(*make_run([*[Request()] * SINGLES, Request(outcome=Outcome.REFUSED)]))
    effects = run.seen.effects
    slow = tuple(replace(row, stored_at=row.stored_at + START_WITHIN_MS / 1000) for row in effects[:10])
    run = run.saw(effects=slow + effects[10:])

    met, missed = (assess(reconcile(one.history, one.seen), measure(one.history, one.seen)) for one in (good, run))

    assert [objective.met for objective in met] == [True, True]
    assert [objective.met for objective in missed] == [False, False]
    assert missed[0].measured < ACCEPTED_SHARE
    assert missed[1].measured > START_WITHIN_MS
    assert run.verdict is Verdict.PASS


def test_a_run_of_lists_shows_no_interactive_latency() -> None:
    """An objective that nothing was measured for is not said to be met."""
    history, seen = make_run([Request(events=100)])

    assert [each.name for each in assess(reconcile(history, seen), measure(history, seen))] == ["requests accepted"]


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
