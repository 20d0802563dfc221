"""The second witness: what the users' accounts say, apart from any row of `events`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from loadtests.history import Effect
from loadtests.observation import CLEARING_PREFIX, Account, Observation

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


def compare_totals(ran: Iterable[Effect], seen: Observation) -> tuple[Totals, list[str]]:
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
