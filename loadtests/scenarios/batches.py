"""Batches of rows, sent in chunks and polled until their aggregate is there (docs/patterns/counted-batches.md)."""

from __future__ import annotations

import time
import uuid
from typing import Any

import gevent
import orjson

from loadtests.closed_loop import run
from loadtests.closed_loop.user import ByArgument, MillraceUser, scenario
from loadtests.mix.counted_batch import readings

__all__ = ["ByArgument"]

_PATH, _ONE = "/v1/batches", "/v1/batches/{batch_id}"
_TASK = "meter_totals"
_CHUNKS, _ROWS = 5, 200
_POLL_SECONDS = 0.5


class Batches(MillraceUser):
    """A batch of a thousand rows; one of its chunks is sent twice."""

    @scenario("batch")
    def send_batch(self) -> None:
        """Open, add, seal, and poll."""
        opened = self.ask("POST", _PATH, orjson.dumps({"task": _TASK}), expected=(201,))
        if opened is None:
            return
        batch_id, url = str(opened["batch_id"]), f"{_PATH}/{opened['batch_id']}"
        name = uuid.uuid4().hex[:12]
        chunks = [readings(name, number)[:_ROWS] for number in range(_CHUNKS)]
        for number in (*range(_CHUNKS), 0):
            path = f"{url}/chunks/{number}"
            if self.ask("PUT", path, orjson.dumps(chunks[number]), name=f"{_ONE}/chunks/{{number}}") is None:
                return
        sealed = orjson.dumps({"chunks": _CHUNKS, "rows": _CHUNKS * _ROWS})
        if self.ask("POST", f"{url}/seal", sealed, name=f"{_ONE}/seal", expected=(200,)) is None:
            return
        run.note(batch=batch_id)
        self._poll(url, watt_hours=sum(row["watt_hours"] for chunk in chunks for row in chunk))

    def _poll(self, url: str, *, watt_hours: int) -> None:
        """Poll until it has ended; how long that took is a line of its own."""
        began, wanted = time.monotonic(), {"readings": _CHUNKS * _ROWS, "watt_hours": watt_hours}
        wrong: str | None = "it has not finished in the time of --end-seconds"
        while time.monotonic() - began < float(self.environment.parsed_options.end_seconds):
            batch = self.ask("GET", url, name=_ONE, expected=(200,))
            if batch is not None and batch["state"] not in {"open", "sealed"}:
                wrong = _wrong(batch, wanted)
                break
            gevent.sleep(_POLL_SECONDS)
        self.environment.events.request.fire(
            request_type="GET", name=f"{_ONE} (from seal to end)", response_time=(time.monotonic() - began) * 1000,
            response_length=0, exception=ValueError(wrong) if wrong else None, context={},
        )  # fmt: skip


def _wrong(batch: dict[str, Any], wanted: dict[str, int]) -> str | None:
    if batch["state"] != "finished":
        return f"it is {batch['state']}"
    return None if batch["aggregate"] == wanted else "its aggregate is not that of its rows"
