"""Load with a ledger, a fault in the middle, and the accounts afterwards."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psycopg

from loadtests import collector, driver
from loadtests.history import Effect, History, Intent, Kind, Outcome, Result
from loadtests.ledger import Ledger, read_ledger
from loadtests.reconcile import Accounting, reconcile
from loadtests.schedule import Schedule
from tests.harness.stack import TICK_MILLISECONDS, Stack
from tests.harness.waiting import eventually

#: Some tens of requests a second: enough to be in the middle of something at every moment, little enough for two cores.
SINGLES_PER_SECOND = 25.0
LISTS_PER_SECOND = 4.0
#: `collect` looks this much further back than it is told; between two tests that would be the other test's time.
_COLLECTOR_MARGIN_SECONDS = 5.0
_DRAIN_SECONDS = 90.0


class Load:
    """A load that runs while the body of `with` breaks something; afterwards `accounting()` says what became of it."""

    def __init__(
        self, stack: Stack, folder: Path, *, seconds: float, singles: float = SINGLES_PER_SECOND,
        lists: float = LISTS_PER_SECOND,
    ) -> None:  # fmt: skip
        """Plan it."""
        self._stack = stack
        self._folder = folder
        self._schedule = Schedule(
            seconds=seconds, singles_per_second=singles, lists_per_second=lists, list_min_events=2, list_max_events=12
        )
        self._ledger = Ledger(folder, run=f"t{time.time_ns():x}")

    def __enter__(self) -> Self:
        """Begin to send."""
        with self._stack.database() as connection:
            self._accounts = collector.snapshot_accounts(connection)
        self.began_at = time.time()
        self._drive = driver.start(
            self._stack.gateway_url, self._stack.ca_file, self._stack.api_key, self._ledger, self._schedule, threads=24
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the last request."""
        if error is not None:
            self._drive.stop()
        self._drive.join()
        self._ledger.close()

    def stored(self) -> int:
        """Effects since the beginning."""
        rows = self._stack.query("SELECT count(*) FROM events WHERE stored_at >= to_timestamp(%s)", self.began_at)
        return int(rows[0][0])

    def wait_stored(self, least: int, *, within: float = 60) -> None:
        """Wait until the load is under way: so many effects are there."""
        eventually(lambda: self.stored() >= least, within=within, what=f"{least} effects", tolerate=(psycopg.Error,))

    def expect(self, event_id: str, user_id: str, amount: int = 1) -> None:
        """Put an event that came another way into the ledger: it too must run once."""
        effect = Effect(event_id, user_id, amount)
        intent = Intent(request_id=event_id, kind=Kind.SINGLE, intended_at=time.time(), effects=(effect,))
        self._ledger.intend([intent])
        self._ledger.record(Result(request_id=event_id, outcome=Outcome.ACCEPTED))

    @property
    def history(self) -> History:
        """What was sent, and what came back."""
        return read_ledger(self._folder)

    def accounting(self) -> Accounting:
        """Drain, then account for everything."""
        drain(self._stack)
        with self._stack.database() as connection:
            seen = collector.collect(
                connection,
                self.history,
                since=self.began_at + _COLLECTOR_MARGIN_SECONDS,
                accounts_before=self._accounts,
            )
        return reconcile(self.history, seen)


def drain(stack: Stack, *, within: float = _DRAIN_SECONDS) -> None:
    """Wait until no message is anywhere: outbox, queues, delay ladder, hands of workers."""
    empty_since: float | None = None

    def empty() -> bool:
        nonlocal empty_since
        outbox = stack.query("SELECT count(*) FROM outbox_pending")[0][0]
        queues = stack.broker.messages()
        if outbox or queues:
            empty_since = None
            raise LookupError(f"outbox {outbox}, queues {queues}")
        empty_since = empty_since or time.monotonic()
        # Long enough that every queue told its counts after the outbox was empty, and again after that.
        return time.monotonic() > empty_since + 2.5 * TICK_MILLISECONDS / 1000

    tolerate = (LookupError, psycopg.Error, httpx.HTTPError)
    eventually(empty, within=within, what="everything is drained", every=0.25, tolerate=tolerate)


def assert_exact(accounting: Accounting, *, dead_lettered: int = 0) -> None:
    """Nothing lost, nothing twice, nothing from nowhere, balances at nought."""
    totals = accounting.totals
    faults = {
        "lost": accounting.lost,
        "duplicated_effects": accounting.duplicated_effects,
        "unexpected": accounting.unexpected,
        "altered": accounting.altered,
        "without_inbox": accounting.without_inbox,
        "torn_requests": accounting.unknown_torn_requests,
        "missing_in_totals": totals.missing,
        "wrong_balances": totals.wrong_balances,
        "sum_of_balances": totals.sum_of_balances,
    }
    assert not any(faults.values()), f"{faults}; offenders: {accounting.offenders}"
    assert accounting.accepted > 0, "the load was refused: this test has shown nothing"
    assert accounting.dead_lettered == dead_lettered, accounting.dead_letter_reasons


def count(history: History, *outcomes: Outcome) -> int:
    """Requests that ended so."""
    return sum(1 for _ in history.with_outcome(*outcomes))
