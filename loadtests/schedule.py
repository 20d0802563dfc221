"""When each request is meant to leave: decided before the run, so that a slow system cannot slow its own load."""

from __future__ import annotations

import random
from dataclasses import dataclass

from loadtests.errors import ScheduleError
from loadtests.history import Kind

#: Bounds of one run: an hour, and as many requests as a ledger of some 100 MB holds.
MAX_SECONDS = 3600.0
MAX_REQUESTS = 500_000


@dataclass(frozen=True, slots=True)
class Slot:
    """One request's place: seconds after the start, and how many events it carries."""

    offset_seconds: float
    kind: Kind
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """An open-loop load: two Poisson streams, of single events and of lists.

    The number of requests is exact and their times are uniform at random, which is a Poisson process given its count:
    arrivals bunch as those of independent clients do, and two runs with one seed offer the same load.
    """

    seconds: float
    singles_per_second: float
    lists_per_second: float
    list_min_events: int = 100
    list_max_events: int = 200
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be run, before anything is started."""
        if not 0 < self.seconds <= MAX_SECONDS:
            message = f"seconds: must be above 0 and at most {MAX_SECONDS:g}, not {self.seconds:g}."
            raise ScheduleError(message)
        if self.singles_per_second < 0 or self.lists_per_second < 0:
            message = "rates: must not be negative."
            raise ScheduleError(message)
        if not 1 <= self.list_min_events <= self.list_max_events <= 1000:
            message = "list events: must be 1 to 1,000, the least not above the most."
            raise ScheduleError(message)
        if not 0 < self.requests <= MAX_REQUESTS:
            message = f"requests: {self.requests} in {self.seconds:g} s; must be 1 to {MAX_REQUESTS}."
            raise ScheduleError(message)

    @property
    def requests(self) -> int:
        """How many requests there are in all."""
        return round(self.singles_per_second * self.seconds) + round(self.lists_per_second * self.seconds)

    @property
    def requests_per_second(self) -> float:
        """The mean rate of requests."""
        return self.requests / self.seconds

    @property
    def events_per_second(self) -> float:
        """The mean rate of events."""
        return self.singles_per_second + self.lists_per_second * (self.list_min_events + self.list_max_events) / 2

    def slots(self) -> list[Slot]:
        """All slots in the order of their times; the same for the same seed."""
        rng = random.Random(self.seed)  # noqa: S311 - load, not secrets
        singles = [
            Slot(rng.uniform(0, self.seconds), Kind.SINGLE, 1)
            for _ in range(round(self.singles_per_second * self.seconds))
        ]
        lists = [
            Slot(rng.uniform(0, self.seconds), Kind.LIST, rng.randint(self.list_min_events, self.list_max_events))
            for _ in range(round(self.lists_per_second * self.seconds))
        ]
        return sorted(singles + lists, key=lambda slot: slot.offset_seconds)
