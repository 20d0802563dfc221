"""The oracle sees what is wrong, counts it exactly, and sees nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from loadtests.history import Outcome
from loadtests.observation import Account, Observation, StoredEffect
from loadtests.reconcile import Accounting, reconcile
from loadtests.synthetic import START, Request, make_run

TEN = [Request() for _ in range(6)] + [Request(events=4)]


def faults(accounting: Accounting) -> dict[str, int]:
    """Every count that must be zero in a faultless run, without those that are."""
    counts = {
        "lost": accounting.lost,
        "rows": accounting.duplicated_by_rows,
        "surplus": accounting.totals.surplus,
        "missing": accounting.totals.missing,
        "balances": accounting.totals.wrong_balances,
        "sum": accounting.totals.sum_of_balances,
        "unexpected": accounting.unexpected,
        "altered": accounting.altered,
        "without_inbox": accounting.without_inbox,
        "torn": accounting.unknown_torn_requests,
    }
    return {name: count for name, count in counts.items() if count}


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


def test_a_faultless_run_has_no_faults() -> None:
    """Ten accepted events that ran once each are ten executed events and nothing else."""
    accounting = reconcile(*make_run(TEN))

    assert faults(accounting) == {}
    assert (accounting.accepted, accounting.executed, accounting.dead_lettered) == (10, 10, 0)
    assert accounting.requests["accepted"] == 7


@pytest.mark.parametrize("index", range(10))
def test_a_dropped_execution_is_one_lost_event(index: int) -> None:
    """Whichever event did not run, exactly one is lost, and it is named."""
    history, seen = make_run(TEN)

    accounting = reconcile(history, without_row(seen, index))

    assert faults(accounting) == {"lost": 1}
    assert accounting.offenders["lost"] == (seen.effects[index].event_id,)


def test_an_inbox_entry_without_an_effect_is_a_loss() -> None:
    """A worker that notes an event as done and does nothing has lost it."""
    history, seen = make_run(TEN)

    accounting = reconcile(history, replace(without_row(seen, 0), inbox=seen.inbox))

    assert faults(accounting) == {"lost": 1}


def test_a_duplicated_effect_is_seen_by_both_witnesses() -> None:
    """An event that ran twice whole is a row too many and an effect too many in its user's total."""
    history, seen = make_run(TEN)
    row = seen.effects[3]
    twice = moved(replace(seen, effects=(*seen.effects, row)), row.user_id, 1, row.amount)

    accounting = reconcile(history, twice)

    assert faults(accounting) == {"rows": 1, "surplus": 1}
    assert accounting.duplicated_effects == 1


def test_a_duplicate_that_left_only_a_row_is_seen() -> None:
    """The rows alone turn the verdict red."""
    history, seen = make_run(TEN)

    accounting = reconcile(history, replace(seen, effects=(*seen.effects, seen.effects[0])))

    assert faults(accounting) == {"rows": 1}


def test_a_duplicate_that_left_only_a_total_is_seen() -> None:
    """The users' totals alone turn the verdict red."""
    history, seen = make_run(TEN)

    accounting = reconcile(history, moved(seen, "u1", 1, 7))

    assert faults(accounting) == {"surplus": 1}
    assert accounting.duplicated_effects == 1
    assert accounting.offenders["users_with_wrong_totals"] == ("u1",)


def test_a_total_that_is_too_small_is_seen() -> None:
    """A row without its movement is half an effect."""
    history, seen = make_run(TEN)

    assert faults(reconcile(history, moved(seen, "u1", -1, -2))) == {"missing": 1}


def test_a_balance_off_by_one_is_seen() -> None:
    """The count may be right and the amount wrong."""
    history, seen = make_run(TEN)

    assert faults(reconcile(history, moved(seen, "u2", 0, 1))) == {"balances": 1}


def test_money_from_nowhere_is_seen() -> None:
    """A movement without its other side breaks the sum of all balances."""
    history, seen = make_run(TEN)
    after = {**seen.accounts_after, "clearing:00": Account(0, seen.accounts_after["clearing:00"].balance + 1)}

    assert faults(reconcile(history, replace(seen, accounts_after=after))) == {"sum": 1}


def test_a_duplicate_does_not_hide_a_loss_of_the_same_user() -> None:
    """One lost and one doubled effect of one user do not cancel out."""
    history, seen = make_run([Request(), Request()], users=1)
    doubled = moved(replace(seen, effects=(*seen.effects, seen.effects[1])), "u0", 1, seen.effects[1].amount)

    accounting = reconcile(history, without_row(doubled, 0))

    assert faults(accounting) == {"lost": 1, "rows": 1, "surplus": 1}


def test_an_effect_from_nowhere_is_unexpected() -> None:
    """A row of an event that nobody sent is counted, unless others were allowed to send."""
    history, seen = make_run(TEN)
    stranger = StoredEffect("ffffffff-0000-4000-8000-000000000000", "u0", 1, START)
    haunted = replace(seen, effects=(*seen.effects, stranger))

    assert faults(reconcile(history, haunted)) == {"unexpected": 1}
    assert faults(reconcile(history, replace(haunted, exclusive=False))) == {}


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.NOT_SENT])
@pytest.mark.parametrize("exclusive", [True, False])
def test_what_was_refused_or_never_sent_must_not_run(outcome: Outcome, *, exclusive: bool) -> None:
    """An effect of a refused request is an effect from nowhere, whoever else sends."""
    history, seen = make_run([Request(outcome=outcome)])
    effect = history.attempts[0].intent.effects[0]
    row = StoredEffect(effect.event_id, effect.user_id, effect.amount, START)
    ran = moved(replace(seen, effects=(row,), exclusive=exclusive), effect.user_id, 1, effect.amount)

    assert reconcile(history, ran).unexpected == 1


@pytest.mark.parametrize("ran", [True, False])
def test_an_unknown_request_may_run_once_or_never(*, ran: bool) -> None:
    """Neither is a fault, and neither counts as accepted."""
    accounting = reconcile(*make_run([Request(outcome=Outcome.UNKNOWN, events=5, ran=ran)]))

    assert faults(accounting) == {}
    assert (accounting.accepted, accounting.unknown, accounting.unknown_executed) == (0, 5, 5 * ran)


def test_an_unknown_request_must_not_run_twice() -> None:
    """An unknown request's effect is counted like any other."""
    history, seen = make_run([Request(outcome=Outcome.UNKNOWN)])
    row = seen.effects[0]
    twice = moved(replace(seen, effects=(row, row)), row.user_id, 1, row.amount)

    assert faults(reconcile(history, twice)) == {"rows": 1, "surplus": 1}


def test_an_unknown_list_must_not_run_in_part() -> None:
    """A list is accepted whole or not at all, whether its answer arrived or not."""
    history, seen = make_run([Request(outcome=Outcome.UNKNOWN, events=5)])

    assert faults(reconcile(history, without_row(seen, 2))) == {"torn": 1}


def test_a_dead_letter_is_accounted_for() -> None:
    """An event in the archive with its reason is not lost."""
    accounting = reconcile(*make_run([*TEN, Request(dead_lettered=True)]))

    assert faults(accounting) == {}
    assert (accounting.accepted, accounting.executed, accounting.dead_lettered) == (11, 10, 1)
    assert accounting.dead_letter_reasons == {"EventRejectedError": 1}


def test_an_altered_effect_is_seen() -> None:
    """A row must carry the user and the amount that were sent."""
    history, seen = make_run(TEN)
    row = seen.effects[0]
    altered = (replace(row, amount=row.amount + 1), *seen.effects[1:])

    assert faults(reconcile(history, replace(seen, effects=altered))) == {"altered": 1}


def test_an_effect_outside_the_inbox_transaction_is_seen() -> None:
    """A row without its inbox entry would run again at the next delivery."""
    history, seen = make_run(TEN)

    assert faults(reconcile(history, replace(seen, inbox=seen.inbox - {seen.effects[0].event_id}))) == {
        "without_inbox": 1
    }


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
