"""The oracle: compares what was accepted with what was done. A pure function, set-based, linear in the events.

Two witnesses must agree. The rows of `events` have no unique key, so a doubled effect is a second row; and each effect
moves its user's account, so a doubled effect that left no row (or a row that moved no account) shows in the totals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from loadtests.history import Effect, History, Outcome
from loadtests.observation import CLEARING_PREFIX, Account, Observation

#: Offenders named in the verdict, per kind: enough to look at, not a second ledger.
OFFENDERS_SHOWN = 20
_NO_ACCOUNT = Account(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What the users' accounts say, apart from any row."""

    users: int
    #: Effects that an account counts and no event of the ledger explains.
    surplus: int
    #: Effects that a row shows and an account does not count.
    missing: int
    #: Users whose count is right and whose balance is not.
    wrong_balances: int
    #: Over all accounts, clearing accounts included; anything but 0 is half an effect.
    sum_of_balances: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """Counts of events, unless a name says requests. `accepted = executed + dead_lettered + lost`, always."""

    requests: Mapping[str, int]
    accepted: int
    executed: int
    dead_lettered: int
    lost: int
    unknown: int
    unknown_executed: int
    #: Unknown requests of which some events ran and others did not: a request runs whole or not at all.
    unknown_torn_requests: int
    duplicated_by_rows: int
    duplicated_by_totals: int
    #: Rows of events that nobody sent, or that were refused, or never left the generator.
    unexpected: int
    #: Rows whose user or amount is not what was sent.
    altered: int
    without_inbox: int
    totals: Totals
    dead_letter_reasons: Mapping[str, int]
    offenders: Mapping[str, tuple[str, ...]]

    @property
    def duplicated_effects(self) -> int:
        """Effects beyond the first, as the stricter witness counts them."""
        return max(self.duplicated_by_rows, self.duplicated_by_totals)


def reconcile(history: History, seen: Observation) -> Accounting:
    """Account for every event of the history and for every effect that was seen."""
    accepted = _by_id(history.effects(Outcome.ACCEPTED))
    unknown = _by_id(history.effects(Outcome.UNKNOWN))
    may_run = accepted | unknown
    rows = Counter(effect.event_id for effect in seen.effects)
    executed = accepted.keys() & rows.keys()
    dead = (accepted.keys() & seen.dead_letters.keys()) - executed
    lost = accepted.keys() - executed - dead
    ours_that_must_not_run = _by_id(history.effects(Outcome.REFUSED, Outcome.NOT_SENT)).keys()
    strangers = rows.keys() - may_run.keys()
    unexpected = strangers if seen.exclusive else strangers & ours_that_must_not_run
    altered = [
        row.event_id
        for row in seen.effects
        if (sent := may_run.get(row.event_id)) is not None and (sent.user_id, sent.amount) != (row.user_id, row.amount)
    ]
    doubled = [event_id for event_id in may_run.keys() & rows.keys() if rows[event_id] > 1]
    doubled += [event_id for event_id in unexpected if rows[event_id] > 1]
    torn = [
        attempt.intent.request_id
        for attempt in history.with_outcome(Outcome.UNKNOWN)
        if 0 < sum(_accounted(effect, rows, seen) for effect in attempt.intent.effects) < len(attempt.intent.effects)
    ]
    without_inbox = (may_run.keys() & rows.keys()) - seen.inbox
    totals, off_users = _totals([may_run[event_id] for event_id in may_run.keys() & rows.keys()], seen)
    return Accounting(
        requests={"planned": len(history.attempts)}
        | {o.value: sum(1 for _ in history.with_outcome(o)) for o in Outcome},
        accepted=len(accepted),
        executed=len(executed),
        dead_lettered=len(dead),
        lost=len(lost),
        unknown=len(unknown),
        unknown_executed=len(unknown.keys() & rows.keys()),
        unknown_torn_requests=len(torn),
        duplicated_by_rows=sum(rows[event_id] - 1 for event_id in doubled),
        duplicated_by_totals=totals.surplus,
        unexpected=sum(rows[event_id] for event_id in unexpected),
        altered=len(altered),
        without_inbox=len(without_inbox),
        totals=totals,
        dead_letter_reasons=Counter(seen.dead_letters[event_id] for event_id in dead),
        offenders={
            name: tuple(sorted(ids)[:OFFENDERS_SHOWN])
            for name, ids in {
                "lost": lost,
                "duplicated": doubled,
                "unexpected": unexpected,
                "altered": altered,
                "without_inbox": without_inbox,
                "torn_requests": torn,
                "users_with_wrong_totals": off_users,
            }.items()
            if ids
        },
    )


def _by_id(effects: Iterable[Effect]) -> dict[str, Effect]:
    return {effect.event_id: effect for effect in effects}


def _accounted(effect: Effect, rows: Mapping[str, int], seen: Observation) -> bool:
    return effect.event_id in rows or effect.event_id in seen.dead_letters


def _totals(ran: Iterable[Effect], seen: Observation) -> tuple[Totals, list[str]]:
    """Compare each account's movement with what the events that ran must have moved, each counted once."""
    counts: Counter[str] = Counter()
    amounts: Counter[str] = Counter()
    for effect in ran:
        counts[effect.user_id] += 1
        amounts[effect.user_id] += effect.amount
    users = set(counts)
    if seen.exclusive:
        users |= {name for name in seen.accounts_after if not name.startswith(CLEARING_PREFIX)}
    surplus = missing = wrong_balances = 0
    off_users: list[str] = []
    for user in users:
        before = seen.accounts_before.get(user, _NO_ACCOUNT)
        after = seen.accounts_after.get(user, _NO_ACCOUNT)
        count_off = after.event_count - before.event_count - counts[user]
        balance_off = after.balance - before.balance - amounts[user]
        surplus += max(0, count_off)
        missing += max(0, -count_off)
        wrong_balances += count_off == 0 and balance_off != 0
        if count_off or balance_off:
            off_users.append(user)
    totals = Totals(
        users=len(counts),
        surplus=surplus,
        missing=missing,
        wrong_balances=wrong_balances,
        sum_of_balances=sum(account.balance for account in seen.accounts_after.values()),
    )
    return totals, off_users
