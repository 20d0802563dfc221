"""Load with a ledger that lasts as long as something is broken under it, and the accounts afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psycopg

from loadtests import collector, driver
from loadtests.history import Effect, History, Intent, Kind, Outcome, Result
from loadtests.ledger import Ledger, read_ledger
from loadtests.observation import Observation
from loadtests.reconcile import Accounting, reconcile
from loadtests.schedule import Schedule
from tests.harness.stack import TICK_MILLISECONDS, Stack
from tests.harness.waiting import PATIENCE_SECONDS, eventually
from tests.harness.windows import Window, WindowAccount, accounts_of

#: Some tens of requests a second: enough to be in the middle of something at every moment, little enough for two cores.
SINGLES_PER_SECOND = 12.0
LISTS_PER_SECOND = 2.5
#: A load ends when the body of its `with` does; one that is forgotten ends after this.
_LONGEST_SECONDS = 3600.0
#: `collect` looks this much further back than it is told; between two tests that would be the other test's time.
_COLLECTOR_MARGIN_SECONDS = 5.0
#: Effects that must be there before something is broken: it shall hit work that is under way.
UNDER_WAY = 40


class Load:
    """A load that runs while the body of `with` breaks something; afterwards `accounting()` says what became of it."""

    def __init__(
        self, stack: Stack, folder: Path, *, singles: float = SINGLES_PER_SECOND, lists: float = LISTS_PER_SECOND
    ) -> None:
        """Plan it; rates are requests a second."""
        self.stack = stack
        self.windows: list[Window] = []
        self._folder = folder
        self._schedule = Schedule(
            seconds=_LONGEST_SECONDS, singles_per_second=singles, lists_per_second=lists,
            list_min_events=2, list_max_events=12,
        )  # fmt: skip
        self._ledger = Ledger(folder, run=f"t{time.time_ns():x}")
        self._seen: Observation | None = None

    def __enter__(self) -> Self:
        """Begin to send."""
        with self.stack.database() as connection:
            self._accounts = collector.snapshot_accounts(connection)
        self.began_at = time.time()
        self._drive = driver.start(
            self.stack.gateway_url, self.stack.ca_file, self.stack.api_key, self._ledger, self._schedule, threads=24
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it: what is already in the ledger's intents is still sent."""
        self._drive.stop()
        self._ledger.close()
        if error is not None and self.windows:
            error.add_note(f"The windows so far: {', '.join(window.name for window in self.windows)}")

    @contextmanager
    def window(self, name: str) -> Iterator[Window]:
        """The time of one fault, from the fault to the first work after it.

        It returns when every request of that time has its answer, so that none of them meets the next fault.
        """
        window = Window(name, began_at=time.time())
        self.windows.append(window)
        yield window
        window.ended_at = time.time()
        eventually(lambda: not self._unanswered(window.ended_at), what="requests of the fault are answered")

    def _unanswered(self, until: float) -> int:
        return sum(
            attempt.result.returned_at is None and attempt.outcome is Outcome.UNKNOWN
            for attempt in self.history.attempts
            if attempt.intent.intended_at <= until
        )

    def stored(self) -> int:
        """Effects since the beginning."""
        rows = self.stack.query("SELECT count(*) FROM events WHERE stored_at >= to_timestamp(%s)", self.began_at)
        return int(rows[0][0])

    def wait_stored(self, least: int = UNDER_WAY, *, within: float = PATIENCE_SECONDS) -> None:
        """Wait until the load is under way: so many effects are there."""
        eventually(lambda: self.stored() >= least, within=within, what=f"{least} effects", tolerate=(psycopg.Error,))

    def wait_executed(self, *queues: str, since: float, least: int = 5, within: float = PATIENCE_SECONDS) -> None:
        """Wait until each of these queues' workers has executed events that were accepted after `since` (Unix time).

        What a worker held at a fault may still commit; what was accepted after the fault came through the broker.
        """
        query = """
            SELECT count(*) FROM events JOIN jobs USING (job_id) WHERE accepted_at > to_timestamp(%s) AND queue = %s
        """
        for queue in queues or ("interactive", "bulk"):
            eventually(
                lambda queue=queue: self.stack.query(query, since, queue)[0][0] >= least,  # type: ignore[misc]
                within=within, what=f"{queue} executes what was accepted after the fault", tolerate=(psycopg.Error,),
            )  # fmt: skip

    def send_to(self, url: str) -> None:
        """From now on requests go to another gateway; those under way end where they are."""
        self._drive.client.base_url = url

    @property
    def sending(self) -> bool:
        """Whether requests are still planned."""
        return any(thread.is_alive() for thread in self._drive.threads)

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
        drain(self.stack)
        with self.stack.database() as connection:
            self._seen = collector.collect(
                connection,
                self.history,
                since=self.began_at + _COLLECTOR_MARGIN_SECONDS,
                accounts_before=self._accounts,
            )
        return reconcile(self.history, self._seen)

    def accounts_of_windows(self) -> list[WindowAccount]:
        """What became of the requests of each fault's time; after `accounting`."""
        assert self._seen is not None
        return accounts_of(self.history, self._seen, self.windows)


def drain(stack: Stack, *, within: float = PATIENCE_SECONDS) -> None:
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


def assert_exact(accounting: Accounting, *, dead_lettered: int = 0, windows: str = "") -> None:
    """Nothing lost, nothing twice, nothing from nowhere, balances at nought; `windows` is shown if it is not so."""
    totals = accounting.totals
    faults = {
        "lost": accounting.lost,
        "duplicated_effects": accounting.duplicated_effects,
        "unexpected": accounting.unexpected,
        "refused_executed": accounting.refused_executed,
        "executed_and_dead": accounting.executed_and_dead,
        "missing_jobs": accounting.missing_jobs,
        "wrong_job_states": accounting.wrong_job_states,
        "altered": accounting.altered,
        "without_inbox": accounting.without_inbox,
        "torn_requests": accounting.unknown_torn_requests,
        "missing_in_totals": totals.missing,
        "wrong_balances": totals.wrong_balances,
        "sum_of_balances": totals.sum_of_balances,
    }
    assert not any(faults.values()), f"{faults}; offenders: {accounting.offenders}\n{windows}"
    assert accounting.accepted > 0, "the load was refused: this test has shown nothing"
    assert accounting.dead_lettered == dead_lettered, accounting.dead_letter_reasons


def count(history: History, *outcomes: Outcome) -> int:
    """Requests that ended so."""
    return sum(1 for _ in history.with_outcome(*outcomes))
