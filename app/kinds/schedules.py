"""When a task is due: `schedule=Cron("0 3 * * *", timezone="Europe/Berlin")`, or `schedule=Every(60)`.

A slot is a moment at which a task is due. Slots depend on nothing but the schedule: whoever asks, and whenever, gets
the same ones. So they survive restarts, and two beats agree on them.
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
#: Cron's own fields; cronsim knows a sixth for seconds, which is what `Every` is for.
_CRON_FIELDS = 5
#: Slots that were missed are counted up to here.
_MISSED_MAX = 1000
_FILLED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_ONLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The slots that are due, oldest first, and how many are too late to be sent."""

    slots: tuple[datetime, ...]
    missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What all schedules share.

    late_seconds: beat sends a slot that it could not send in time, if it is no later than this; older ones are missed.
    queues: one message a slot for each of these; left out, one for the task's own queue.
    perishable: a slot is worth nothing once the next one is due. A worker drops what is so late, and nothing is sent to
        a queue that nobody consumes.
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
        """What `late_seconds` is when it is left out."""
        raise NotImplementedError

    def slots_after(self, moment: datetime) -> Iterator[datetime]:
        """The slots after a moment, in UTC, without end."""
        raise NotImplementedError

    def local(self, slot: datetime) -> datetime:
        """A slot as its task gets it."""
        return slot

    def due(self, *, after: datetime, now: datetime) -> Due:
        """The slots after the last one that was sent, up to now."""
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

    When the clocks change, it does as Debian's cron: a time that summer time leaves out is due at the moment of the
    change, a time that comes twice is due the first time, and what is due every hour or every few minutes goes on.

    Raises:
        DeclarationError: no such expression, time zone or day.
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
        except (KeyError, OSError, ValueError) as error:  # what ZoneInfo raises, by the kind of nonsense
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
            # Two times that summer time leaves out are both due at the change: that is one slot. And a moment in the
            # hour that comes twice may lie after the slot that cronsim takes for the next one.
            if (slot := local.astimezone(UTC)) > last:
                yield (last := slot)

    def local(self, slot: datetime) -> datetime:
        """In the schedule's time zone: its day is the day that is meant."""
        return slot.astimezone(self._zone)

    @property
    def _zone(self) -> tzinfo:
        return UTC if self.timezone == "UTC" else ZoneInfo(self.timezone)


@dataclass(frozen=True, slots=True)
class Every(Schedule):
    """Every so many seconds, counted from 1970, so that a restart moves no slot.

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
        """Its own interval: after an outage it goes on, and makes up for nothing."""
        return self.seconds

    def slots_after(self, moment: datetime) -> Iterator[datetime]:
        """The slots after a moment, in UTC."""
        for number in count(math.floor(moment.timestamp() / self.seconds)):
            if (slot := datetime.fromtimestamp(number * self.seconds, UTC)) > moment:
                yield slot


def takes_slot(function: Callable[..., Any]) -> bool:
    """Whether a function has a parameter for its slot: the only one without a default, a `datetime`.

    Raises:
        DeclarationError: it has others, which a schedule has no values for.
    """
    parameters = inspect.signature(function).parameters.values()
    required = [one for one in parameters if one.default is one.empty and one.kind in _FILLED]
    if not required:
        return False
    if len(required) == 1 and required[0].annotation in (datetime, "datetime"):
        return True
    names = ", ".join(parameter.name for parameter in required)
    raise DeclarationError(f"a schedule has no value for {names}; the one parameter it fills is a datetime, the slot")
