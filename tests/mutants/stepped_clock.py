"""A fault, not a bug: this worker's clock is an hour ahead as soon as /tmp/stepped exists."""

from __future__ import annotations

import datetime as dt
import os
import time

STEP_SECONDS = 3600.0
_time, _time_ns = time.time, time.time_ns
_datetime = dt.datetime


def _step() -> float:
    return STEP_SECONDS if os.path.exists("/tmp/stepped") else 0.0  # noqa: PTH110, S108 - in its container


class Stepped(_datetime):
    """A datetime whose `now` is stepped."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]  # a plain one will do
        """The time of the stepped clock."""
        return _datetime.now(tz) + dt.timedelta(seconds=_step())


time.time = lambda: _time() + _step()
time.time_ns = lambda: _time_ns() + int(_step() * 1e9)
dt.datetime = Stepped  # type: ignore[misc]

from app.__main__ import main  # noqa: E402

main()
