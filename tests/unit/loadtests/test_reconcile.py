"""The oracle counts what is wrong exactly; that each fault turns its own check red is shown in test_verdict.py."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from hypothesis import given, strategies as st

from loadtests.history import Outcome
from loadtests.observation import Account, Observation, StoredEffect
from loadtests.reconcile import Accounting, reconcile
from loadtests.synthetic import START, Request, make_run, store

TEN = [Request() for _ in range(6)] + [Request(events=4)]
NO_FAULTS = {"requests", "planned", "accepted", "executed", "dead_lettered", "unknown", "unknown_executed", "users"}


def faults(accounting: Accounting) -> dict[str, int]:
    """Every count that must be zero in a faultless run, without those that are."""
    counts = asdict(accounting) | asdict(accounting.totals)
    return {name: count for name, count in counts.items() if isinstance(count, int) and count and name not in NO_FAULTS}


def without_row(seen: Observation, index: int) -> Observation:
    """The run with one effect undone everywhere, as if it had never run."""
    row = seen.effects[index]
    after = dict(seen.accounts_after)
    account, clearing = after[row.user_id], after["clearing:00"]
    after[row.user_id] = Account(account.event_count - 1, account.balance - row.amount)
    after["clearing:00"] = Account(0, clearing.balance + row.amount)
    return replace(
        seen,
        effects=seen.effects[:index] + seen.effects[index + 1 :],
        inbox=seen.inbox - {row.event_id},
        accounts_after=after,
    )


def moved(seen: Observation, user: str, count: int, amount: int) -> Observation:
    """The run with one account moved, against the clearing account."""
    after = dict(seen.accounts_after)
    account, clearing = after[user], after["clearing:00"]
    after[user] = Account(account.event_count + count, account.balance + amount)
    after["clearing:00"] = Account(0, clearing.balance - amount)
    return replace(seen, accounts_after=after)


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.UNKNOWN])
def test_a_whole_duplicate_is_seen_by_both_witnesses_and_is_one(outcome: Outcome) -> None:
    """A row too many, and an effect too many in its user's total; also of a request without an answer."""
    history, seen = make_run([*TEN, Request(outcome=outcome)])
    row = seen.effects[-1]
    twice = moved(replace(seen, effects=(*seen.effects, row)), row.user_id, 1, row.amount)

    accounting = reconcile(history, twice)

    assert faults(accounting) == {"duplicated_by_rows": 1, "duplicated_by_totals": 1, "surplus": 1}
    assert accounting.duplicated_effects == 1


def test_a_duplicate_does_not_hide_a_loss_of_the_same_user() -> None:
    """One lost and one doubled effect of one user do not cancel out."""
    history, seen = make_run([Request(), Request()], users=1)
    doubled = moved(replace(seen, effects=(*seen.effects, seen.effects[1])), "u0", 1, seen.effects[1].amount)

    found = faults(reconcile(history, without_row(doubled, 0)))

    assert (found["lost"], found["duplicated_by_rows"], found["surplus"]) == (1, 1, 1)


def test_offenders_are_named() -> None:
    """The event, the user and the job, for whoever looks further."""
    history, seen = make_run(TEN)

    offenders = reconcile(history, moved(without_row(seen, 0), "u1", 1, 7)).offenders

    assert offenders == {
        "lost": (seen.effects[0].event_id,),
        "users_with_wrong_totals": ("u1",),
        "wrong_job_states": ("job-0",),
    }


def test_others_may_have_sent_what_we_did_not() -> None:
    """A row of an event that nobody here sent is counted, unless others were allowed to send."""
    history, seen = make_run(TEN)
    stranger = StoredEffect("ffffffff-0000-4000-8000-000000000000", "u0", 1, START, "")
    haunted = moved(replace(seen, effects=(*seen.effects, stranger)), "u0", 1, 1)

    assert faults(reconcile(history, haunted)) == {"unexpected": 1}
    assert "unexpected" not in faults(reconcile(history, replace(haunted, exclusive=False)))


@pytest.mark.parametrize(
    ("outcome", "counted"), [(Outcome.REFUSED, "refused_executed"), (Outcome.NOT_SENT, "unexpected")]
)
@pytest.mark.parametrize("exclusive", [True, False])
def test_what_was_refused_or_never_sent_must_not_run(outcome: Outcome, counted: str, *, exclusive: bool) -> None:
    """Whoever else sends: these ids are ours."""
    history, seen = make_run([Request(outcome=outcome)])
    row = store(history.attempts[0].intent.effects[0], START)
    ran = moved(replace(seen, effects=(row,), exclusive=exclusive), row.user_id, 1, row.amount)

    assert faults(reconcile(history, ran)) == {counted: 1}


@pytest.mark.parametrize("ran", [True, False])
def test_an_unknown_request_may_run_once_or_never(*, ran: bool) -> None:
    """Neither is a fault, and neither counts as accepted."""
    accounting = reconcile(*make_run([Request(outcome=Outcome.UNKNOWN, events=5, ran=ran)]))

    assert faults(accounting) == {}
    assert (accounting.accepted, accounting.unknown, accounting.unknown_executed) == (0, 5, 5 * ran)


def test_a_dead_letter_is_accounted_for() -> None:
    """An event in the archive with its reason is not lost."""
    accounting = reconcile(*make_run([*TEN, Request(dead_lettered=True)]))

    assert faults(accounting) == {}
    assert (accounting.accepted, accounting.executed, accounting.dead_lettered) == (11, 10, 1)
    assert accounting.dead_letter_reasons == {"EventRejectedError": 1}


def test_an_event_that_came_another_way_has_no_digest_and_no_job() -> None:
    """A test that publishes past the gateway says only whose account must move."""
    history, seen = make_run([Request()])
    attempt = history.attempts[0]
    effects = tuple(replace(effect, digest=None) for effect in attempt.intent.effects)
    told = replace(
        attempt,
        intent=replace(attempt.intent, effects=effects),
        result=replace(attempt.result, status=None, job_id=None),
    )

    assert faults(reconcile(replace(history, attempts=(told,)), replace(seen, jobs={}))) == {}


requests = st.lists(
    st.builds(
        Request,
        outcome=st.sampled_from(Outcome),
        events=st.integers(1, 6),
        ran=st.just(value=True),
        dead_lettered=st.booleans(),
    ),
    max_size=30,
)


@given(requests)
def test_no_faultless_run_is_ever_blamed(planned: list[Request]) -> None:
    """Whatever mix of outcomes a run has, a system that did right is found right, and the sum always closes."""
    accounting = reconcile(*make_run(planned))

    assert faults(accounting) == {}
    assert accounting.accepted == accounting.executed + accounting.dead_lettered


@given(requests, st.data())
def test_losses_and_duplicates_are_counted_exactly(planned: list[Request], data: st.DataObject) -> None:
    """Drop any accepted effects and double any others: just so many are lost and duplicated."""
    history, seen = make_run([*planned, Request(), Request()])
    accepted = {effect.event_id for effect in history.effects(Outcome.ACCEPTED)}
    ran = [row for row in seen.effects if row.event_id in accepted]
    drop = data.draw(st.sets(st.sampled_from(range(len(ran)))), label="dropped")
    double = data.draw(st.lists(st.sampled_from(range(len(ran))), max_size=5), label="doubled")
    double = [index for index in double if index not in drop]
    broken = seen
    for index in drop:
        broken = without_row(broken, [row.event_id for row in broken.effects].index(ran[index].event_id))
    for index in double:
        row = ran[index]
        broken = moved(replace(broken, effects=(*broken.effects, row)), row.user_id, 1, row.amount)

    accounting = reconcile(history, broken)

    assert accounting.lost == len(drop)
    assert accounting.duplicated_by_rows == accounting.duplicated_by_totals == len(double)
    assert accounting.accepted == accounting.executed + accounting.dead_lettered + accounting.lost
