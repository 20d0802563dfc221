"""Payments of one customer: many requests for a statement, few refreshes, the last one exact (unique-jobs.md)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from loadtests.collector import Rows
from loadtests.mix.mixed import Judged
from loadtests.mix.sender import Sender

NAME = "unique jobs"
PAYMENTS, _REQUESTS = 60, 20
#: The window that `app/tasks/statements.py` declares.
WINDOW_SECONDS = 2.0
_PATH = "/v1/tasks/book_payment"


@dataclass(kw_only=True)
class UniqueJobs:
    """Payments of one customer, whose statement is refreshed at most once in each window."""

    name: str = NAME
    _customer: str = ""
    _cents: int = 0
    _began: float = 0.0

    def send(self, sender: Sender) -> None:
        """Send payments, three at a time."""
        self._customer, self._began = f"demo-{sender.run}", time.monotonic()
        share = PAYMENTS // _REQUESTS
        for number in sender.spread(_REQUESTS, over_seconds=sender.seconds / 4):
            cents = [(number * share + index) * 7 + 1 for index in range(share)]
            body = [
                {"payment_id": payment_id(sender.run, one), "customer": self._customer, "cents": one} for one in cents
            ]
            sender.post(_PATH, body, key=f"payments-{number}")
            self._cents += sum(cents)

    def judge(self, rows: Rows) -> list[Judged]:
        """Compare the customer's statement with the payments."""
        query = "SELECT payments, cents, refreshes FROM tasks.statements WHERE customer = %s"
        found = rows.execute(query, (self._customer,)).fetchone()
        return judged(cents=self._cents, seconds=time.monotonic() - self._began, found=found or (0, 0, 0))


def payment_id(run: str, cents: int) -> str:
    """The id of a payment; a repeated request has the same one."""
    return str(uuid5(NAMESPACE_URL, f"{run}-{cents}"))


def judged(*, cents: int, seconds: float, found: tuple[int, int, int]) -> list[Judged]:
    """The last refresh saw every payment, and at most one job was sent in each window."""
    payments, total, refreshes = found
    most = min(PAYMENTS - 1, int(seconds / WINDOW_SECONDS) + 1)
    return [
        Judged(
            pattern=NAME,
            promise="no request missed",
            expected=f"a statement of {PAYMENTS} payments, {cents:,} cents",
            found=f"{payments} payments, {total:,} cents",
            ok=(payments, total) == (PAYMENTS, cents),
        ),
        Judged(
            pattern=NAME,
            promise="one job a window",
            expected=f"at most {most} refreshes for {PAYMENTS} requests",
            found=f"{refreshes} refreshes",
            ok=refreshes <= most,
        ),
    ]
