"""When a task is due: `schedule=Cron("0 3 * * *", timezone="Europe/Berlin")`, or `schedule=Every(60)`.

A slot is a moment at which a task is due. Slots depend on the schedule alone, so a restart does not move them and two
beats compute the same ones.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import count, islice, takewhile
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from app import contract
from app.errors import DeclarationError, QueueNotDeclaredError

_DAY_SECONDS = 24 * 3600
#: The number of cron's own fields. cronsim knows a sixth for seconds; `Every` covers that.
_CRON_FIELDS = 5
#: Missed slots are counted up to this number.
_MISSED_MAX = 1000
_FILLED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_ONLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The slots that are due, oldest first, and how many are too late to be sent."""

    slots: tuple[datetime, ...]
    missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The options that all schedules share.

    late_seconds: beat sends a late slot if it is no later than this, and counts an older one as missed.
    queues: beat sends one message a slot to each of these; if left out, one to the task's own queue.
    perishable: a slot is useless once the next one is due. Workers drop such a message, and beat sends nothing to a
        queue without consumers.
    """

    late_seconds: float | None = None
    queues: tuple[str, ...] = ()
    perishable: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.late_seconds is not None and self.late_seconds <= 0:
            raise DeclarationError(f"(late_seconds={self.late_seconds!r}: must be above 0)")
        for queue in self.queues:
            if queue not in contract.queue_names():
                declared = ", ".join(contract.queue_names())
                raise QueueNotDeclaredError(f"(a schedule names {queue!r}; declared are {declared})")

    @property
    def default_late_seconds(self) -> float:
        """The value of `late_seconds` if it is left out."""
        raise NotImplementedError

    def slots_after(self, moment: datetime) -> Iterator[datetime]:
        """The slots after a moment, in UTC and ascending; the iterator has no end."""
        raise NotImplementedError

    def local(self, slot: datetime) -> datetime:
        """A slot in the time zone in which the task gets it."""
        return slot

    def due(self, *, after: datetime, now: datetime) -> Due:
        """The slots after `after`, the last one that was handled, up to and including now."""
        late_seconds = self.default_late_seconds if self.late_seconds is None else self.late_seconds
        horizon = now - timedelta(seconds=late_seconds)
        missed = takewhile(lambda slot: slot <= horizon, self.slots_after(after)) if after < horizon else ()
        return Due(
            slots=tuple(takewhile(lambda slot: slot <= now, self.slots_after(max(after, horizon)))),
            missed=sum(1 for _ in islice(missed, _MISSED_MAX)),
        )


@dataclass(frozen=True, slots=True)
class Cron(Schedule):
    """Five fields of cron in a time zone.

    When clocks change it behaves like Debian's cron: a time that is skipped is due at the moment of the change, a time
    that occurs twice is due the first time, and schedules of every hour or every few minutes go on in real time.

    Raises:
        DeclarationError: the expression or time zone is not valid, or no day matches.
    """

    expression: str
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        super(Cron, self).__post_init__()
        try:
            if len(self.expression.split()) != _CRON_FIELDS:
                raise CronSimError("it has five fields: minute, hour, day of the month, month, day of the week")
            first = next(self.slots_after(datetime.now(UTC)), None)
        except (CronSimError, AttributeError) as error:
            raise DeclarationError(f"(Cron({self.expression!r}): {error})") from error
        except (KeyError, OSError, ValueError) as error:  # ZoneInfo raises any of these for a bad name
            raise DeclarationError(f"(timezone={self.timezone!r}: no such time zone)") from error
        if first is None:
            raise DeclarationError(f"(Cron({self.expression!r}): there is no such day)")

    def __str__(self) -> str:
        """As people write it."""
        return f"{self.expression} {self.timezone}"

    @property
    def default_late_seconds(self) -> float:
        """A day: an outage of a night loses no slot."""
        return _DAY_SECONDS

    def slots_after(self, moment: datetime) -> Iterator[datetime]:
        """The slots after a moment, in UTC."""
        last = moment
        for local in CronSim(self.expression, moment.astimezone(self._zone)):
            # Two skipped times are both due at the change, which is one slot. And when `moment` is in the hour that
            # occurs twice, cronsim may return a slot before it.
            if (slot := local.astimezone(UTC)) > last:
                yield (last := slot)

    def local(self, slot: datetime) -> datetime:
        """The slot in the schedule's time zone, so that its date is the day the declaration means."""
        return slot.astimezone(self._zone)

    @property
    def _zone(self) -> tzinfo:
        return UTC if self.timezone == "UTC" else ZoneInfo(self.timezone)


@dataclass(frozen=True, slots=True)
class Every(Schedule):
    """Every `seconds` seconds, counted from 1970, so that a restart moves no slot.

    Raises:
        DeclarationError: less than a second.
    """

    seconds: float

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        super(Every, self).__post_init__()
        if not isinstance(self.seconds, int | float) or not self.seconds >= 1 or math.isinf(self.seconds):
            raise DeclarationError(f"(Every({self.seconds!r}): must be a number of seconds, 1 or more)")

    def __str__(self) -> str:
        """As people write it."""
        return f"every {self.seconds:g} s"

    @property
    def default_late_seconds(self) -> float:
        """Its own interval: after an outage only the newest slot is sent."""
        return self.seconds

    def slots_after(self, moment: datetime) -> Iterator[datetime]:
        """The slots after a moment, in UTC."""
        for number in count(math.floor(moment.timestamp() / self.seconds)):
            if (slot := datetime.fromtimestamp(number * self.seconds, UTC)) > moment:
                yield slot


def takes_slot(function: Callable[..., Any]) -> bool:
    """Whether a function's only parameter without a default is a `datetime`; it then gets the slot.

    Raises:
        DeclarationError: it has other parameters without a default, and a schedule has no values for them.
    """
    parameters = inspect.signature(function).parameters.values()
    required = [one for one in parameters if one.default is one.empty and one.kind in _FILLED]
    if not required:
        return False
    if len(required) == 1 and required[0].annotation in (datetime, "datetime"):
        return True
    names = ", ".join(parameter.name for parameter in required)
    raise DeclarationError(f"a schedule has no value for {names}; the one parameter it fills is a datetime, the slot")
