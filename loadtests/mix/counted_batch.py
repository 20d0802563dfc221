"""A batch of readings, some chunks sent twice; the aggregate must be exact (docs/patterns/counted-batches.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from app import contract
from loadtests.collector import Rows
from loadtests.mix.mixed import Judged
from loadtests.mix.sender import Sender

NAME = "counted batch"
CHUNKS = 20
#: Each fifth chunk is sent twice, as by a sender that did not get its answer.
_TWICE = 5
_METERS = 10
_PATH = "/v1/batches"


@dataclass(kw_only=True)
class CountedBatch:
    """A batch of which each fifth chunk is sent twice."""

    name: str = NAME
    _batch_id: str = ""
    _rows: int = 0
    _meters: Counter[str] = field(default_factory=Counter)

    def send(self, sender: Sender) -> None:
        """Open the batch, add its chunks over the time of the load, and seal it."""
        batch = sender.post(_PATH, {"task": "meter_totals"}, key="batch")
        self._batch_id, url = str(batch["batch_id"]), str(batch["status_url"])
        for number in sender.spread(CHUNKS, over_seconds=sender.seconds):
            chunk = readings(sender.run, number)
            for _ in range(1 if number % _TWICE else 2):
                sender.put(f"{url}/chunks/{number}", chunk)
            self._rows += len(chunk)
            for row in chunk:
                self._meters[row["meter"]] += row["watt_hours"]
        sender.post(f"{url}/seal", {"chunks": CHUNKS, "rows": self._rows}, key="seal")

    def judge(self, rows: Rows) -> list[Judged]:
        """The aggregate, and what each meter counted."""
        query = "SELECT aggregate FROM batches WHERE batch_id = %s AND aggregate IS NOT NULL"
        found = rows.execute(query, (self._batch_id,)).fetchone()
        query = "SELECT meter, watt_hours FROM tasks.meters WHERE meter = ANY(%s)"
        meters = dict(rows.execute(query, (list(self._meters),)).fetchall())
        return judged(
            rows=self._rows, sent=self._meters, aggregate=orjson.loads(found[0]) if found else None, meters=meters
        )


def readings(run: str, chunk: int) -> list[dict[str, Any]]:
    """The rows of a chunk, for meters of this run."""
    return [
        {"meter": f"demo-{run}-{index % _METERS}", "watt_hours": (chunk * 7919 + index * 104729) % 100_000}
        for index in range(contract.REQUEST_MAX_ITEMS)
    ]


def judged(
    *, rows: int, sent: Mapping[str, int], aggregate: Mapping[str, int] | None, meters: Mapping[str, int]
) -> list[Judged]:
    """The aggregate and the meters are what was sent, once."""
    wanted = {"readings": rows, "watt_hours": sum(sent.values())}
    wrong = sum(meters.get(meter) != watt_hours for meter, watt_hours in sent.items())
    return [
        Judged(
            pattern=NAME,
            promise="aggregate exact",
            expected=_words(wanted),
            found=_words(aggregate) if aggregate else "no aggregate",
            ok=dict(aggregate or {}) == wanted,
        ),
        Judged(
            pattern=NAME,
            promise="each chunk once",
            expected=f"{len(sent)} meters with the sum of their readings",
            found=f"{len(sent) - wrong} of them",
            ok=wrong == 0,
        ),
    ]


def _words(totals: Mapping[str, int]) -> str:
    return f"{totals['readings']:,} readings, {totals['watt_hours']:,} watt hours"
