"""A campaign: one load with one ledger, under which faults happen one after the other, each in a window of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.history import Outcome
from loadtests.reconcile import Accounting
from tests.harness.faults import Fault
from tests.harness.load import Load, assert_exact
from tests.harness.stack import Stack
from tests.harness.windows import BETWEEN, WindowAccount, table


@dataclass(frozen=True)
class Campaign:
    """How it went."""

    faults: Sequence[Fault]
    accounting: Accounting
    windows: Mapping[str, WindowAccount]

    @classmethod
    def run(cls, stack: Stack, folder: Path, faults: Sequence[Fault]) -> Campaign:
        """Strike with each fault under one load; the account is made once, at the end."""
        with Load(stack, folder / "ledger") as load:
            load.wait_stored()
            for fault in faults:
                with load.window(fault.name):
                    fault.strike(stack, load)
        accounting = load.accounting()
        return cls(faults, accounting, {window.name: window for window in load.accounts_of_windows()})

    @property
    def shown(self) -> str:
        """The account of each window, for people."""
        return table(self.windows.values())

    def assert_exact(self) -> None:
        """Nothing lost, nothing twice; dead letters are those that were sent to die."""
        wanted = sum(fault.dead_letters for fault in self.faults)
        assert_exact(self.accounting, dead_lettered=wanted, windows=self.shown)

    def assert_refused_only_where_said(self) -> None:
        """A request goes without its 202 only under faults that say so, and under each of those at least one does."""
        refuses = {fault.name: fault.refuses for fault in self.faults} | {BETWEEN: False}
        wrong = [name for name, window in self.windows.items() if (window.failed > 0) is not refuses[name]]
        assert not wrong, f"{', '.join(wrong)}\n{self.shown}"

    def assert_load_in_every_window(self) -> None:
        """A fault that met no request has shown nothing."""
        idle = [name for name, window in self.windows.items() if not window.requests[Outcome.ACCEPTED]]
        assert not idle, f"{', '.join(idle)}\n{self.shown}"
