"""PASS, FAIL and VOID: each check is turned red by its own mutant of a good run, and by no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.fault import Fault, read_fault
from loadtests.history import Effect, Outcome
from loadtests.jobs import JobState
from loadtests.observation import Account
from loadtests.synthetic import START, Request, make_run
from loadtests.verdict import (
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
    endless,
    first_row,
    hung,
    job,
    larger,
    late,
    mixed_otherwise,
    nameless,
    refused_effect,
    smaller,
    torn,
)
from tests.unit.loadtests.mix.mutants import BUGS

PAGE = (Path(__file__).parents[3] / "docs" / "verdict.md").read_text()
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
    ("only poison is dead", "an event that is none", lambda run: larger(run, Request(dead_lettered=True))),
    ("only poison is dead", "in a replayed file", lambda run: larger(
        run.went(replayed=True), Request(dead_lettered=True)
    )),
    ("each request ended", "one hung", lambda run: run.with_attempts(hung)),
    ("each request ended", "one has no end", lambda run: run.with_attempts(endless)),
    *((promise, what, mixed_otherwise(pattern, finding)) for promise, what, pattern, finding in BUGS),
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

    assert set(run.red) == {check}
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


@pytest.mark.parametrize("check", [check.name for check in GOOD.checks])
def test_the_documentation_says_what_each_check_judges(check: str) -> None:
    """docs/verdict.md has a line for each."""
    assert f"| {check} |" in PAGE


def test_a_faults_evidence_is_put_together_from_its_lines() -> None:
    """Later lines add to earlier ones; a stray print is left out."""
    fault = read_fault(
        [b'{"event":"chosen","node":"n"}', b"Warning!", b'{"event":"injected","injected_at":5.0}', b'"x"']
    )

    assert fault.evidence == {"node": "n", "injected_at": 5.0}
    assert (fault.injected_at, fault.confirmed) == (5.0, False)
    assert fault.dead_seconds == 0
