"""Movements of a few accounts: each account's take effect in the order of their acceptance (docs/patterns/order.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import NAMESPACE_URL, uuid5

from loadtests.collector import Rows
from loadtests.mix.mixed import Judged
from loadtests.mix.sender import Sender

NAME = "order"
ACCOUNTS, _REQUESTS, _EACH = 3, 20, 2
#: Each fourth list is sent again as another request, whose movements must change nothing.
_AGAIN = 4
PATH = "/v1/tasks/post_movement"

#: The ids of an account's movements, one after the other, by account.
Lines = Mapping[str, Sequence[str]]


@dataclass(kw_only=True)
class Order:
    """Lists of movements, one after the other, each with some of every account."""

    name: str = NAME
    _sent: dict[str, list[str]] = field(default_factory=dict)

    def send(self, sender: Sender) -> None:
        """Send each list when the one before it was accepted."""
        for number in sender.spread(_REQUESTS, over_seconds=sender.seconds):
            body = []
            for index in range(ACCOUNTS * _EACH):
                account = f"demo-{sender.run}-{index % ACCOUNTS}"
                movement_id = str(uuid5(NAMESPACE_URL, f"{sender.run}-{number}-{index}"))
                body.append({"movement_id": movement_id, "account": account, "cents": 1 + index})
                self._sent.setdefault(account, []).append(movement_id)
            sender.post(PATH, body, key=f"movements-{number}")
            if number % _AGAIN == 0:
                sender.post(PATH, body, key=f"movements-{number}-again")

    def judge(self, rows: Rows) -> list[Judged]:
        """Compare each account's ledger, where the task has numbered the movements, with what was sent."""
        query = "SELECT account, movement_id::text FROM tasks.ledger_movements WHERE account = ANY(%s) ORDER BY number"
        found: dict[str, list[str]] = {}
        for account, movement_id in rows.execute(query, (list(self._sent),)):
            found.setdefault(account, []).append(movement_id)
        return judged(sent=self._sent, found=found)


def judged(*, sent: Lines, found: Lines) -> list[Judged]:
    """Those that were posted are in the order of their acceptance, and each was posted once."""
    lines = [(line, found.get(account, ())) for account, line in sent.items()]
    number = sum(map(len, sent.values()))
    early = sum(_early(line, posted) for line, posted in lines)
    once = sum(posted.count(one) == 1 for line, posted in lines for one in line)
    posted = sum(map(len, found.values()))
    return [
        Judged(
            pattern=NAME,
            promise="order kept",
            expected=f"the movements of {len(sent)} accounts in the order of their acceptance",
            found=f"{early} of {posted} came before one that was accepted earlier",
            ok=early == 0,
        ),
        Judged(
            pattern=NAME,
            promise="each movement once",
            expected=f"{number} movements posted",
            found=f"{once} posted once, {posted} in all",
            ok=once == number == posted,
        ),
    ]


def _early(line: Sequence[str], posted: Sequence[str]) -> int:
    """How many took effect before one that had been accepted earlier; each counts where it came first."""
    place = {one: index for index, one in enumerate(line)}
    places = [place[one] for one in dict.fromkeys(posted) if one in place]
    return sum(before > min(places[index + 1 :]) for index, before in enumerate(places[:-1]))
