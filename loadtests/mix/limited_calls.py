"""More calls than the geocoder's limit allows in a minute, counted at the far side (docs/patterns/rate-limit.md)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from loadtests.collector import Rows
from loadtests.mix.mixed import Judged
from loadtests.mix.sender import Sender

NAME = "rate limit"
#: The limit that `app/tasks/addresses.py` declares.
CALLS, PERIOD_SECONDS = 100, 60.0
#: 10 % above the limit, sent in a few seconds: they use up the limit at once, and the last ones wait for a minute.
ADDRESSES, _REQUESTS = 110, 5
SENT_WITHIN_SECONDS = 5.0
PATH = "/v1/tasks/locate_address"


@dataclass(kw_only=True)
class LimitedCalls:
    """Calls of the far side; `arrivals` tells when each came there, in seconds of its own clock."""

    arrivals: Callable[[], Sequence[float]]
    name: str = NAME
    _sent: list[str] = field(default_factory=list)

    def send(self, sender: Sender) -> None:
        """Send lists of addresses."""
        share = ADDRESSES // _REQUESTS
        for number in sender.spread(_REQUESTS, over_seconds=SENT_WITHIN_SECONDS):
            ids = [f"{sender.run}-{number * share + index}" for index in range(share)]
            body = [{"address_id": address_id, "words": f"Street {address_id}"} for address_id in ids]
            sender.post(PATH, body, key=f"addresses-{number}")
            self._sent += ids

    def judge(self, rows: Rows) -> list[Judged]:
        """The fullest minute at the far side, and what is stored."""
        return judged(sent=self._sent, stored=stored(rows, self._sent), arrivals=sorted(self.arrivals()))


def stored(rows: Rows, ids: Collection[str]) -> set[str]:
    """The ids, of these, whose addresses were located."""
    query = "SELECT address_id FROM tasks.addresses WHERE address_id = ANY(%s)"
    return {address_id for (address_id,) in rows.execute(query, (list(ids),))}


def judged(*, sent: Collection[str], stored: Collection[str], arrivals: Sequence[float]) -> list[Judged]:
    """The limit was never exceeded, and each task was executed at least once."""
    most = fullest(arrivals, PERIOD_SECONDS)
    return [
        Judged(
            pattern=NAME,
            promise="rate limit never exceeded",
            expected=f"at most {CALLS} calls in any {PERIOD_SECONDS:g} s at the far side",
            found=f"{most} of {len(arrivals)} calls in the fullest {PERIOD_SECONDS:g} s",
            ok=most <= CALLS,
        ),
        Judged(
            pattern=NAME,
            promise="limited calls done",
            expected=f"{len(sent)} addresses located",
            found=f"{len(set(stored))} of {len(sent)}",
            ok=set(stored) == set(sent),
        ),
    ]


def fullest(times: Sequence[float], seconds: float) -> int:
    """The most calls in any period of `seconds`, of sorted times; the fullest period begins with a call."""
    end, most = 0, 0
    for begin, began_at in enumerate(times):
        while end < len(times) and times[end] < began_at + seconds:
            end += 1
        most = max(most, end - begin)
    return most
