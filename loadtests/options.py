"""The options of a run, and the command that asks for it again."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from loadtests.errors import ScheduleError
from loadtests.objective_file import BROKER_FILES, DEFAULT_FILE
from loadtests.schedule import Schedule
from loadtests.target import REDIS, SQS
from loadtests.verdict import MAX_FAILED_SHARE

#: Events a second that a two-core machine sustains with the whole stack and a rejoining broker on it.
DEFAULT_RATE = 1000.0
#: Of them, sent one by one.
DEFAULT_SINGLES = 60.0
#: Real payloads are 10 KB in the mean: thirty times the bytes of a generated event.
REPLAY_RATE = 150.0
REPLAY_SINGLES = 20.0
#: Events a second, and single ones of them, on brokers that are slower. The emulator of SQS is one process of Python.
#: A worker on Redis holds one message a child, and each step of a message waits for the disk.
BROKER_RATES = {SQS: (300.0, 30.0), REDIS: (500.0, 40.0)}
DEFAULT_SECONDS = 60.0
LIST_MIN_EVENTS, LIST_MAX_EVENTS = 100, 200
REPLAY_LIST_MIN_EVENTS, REPLAY_LIST_MAX_EVENTS = 20, 60
#: When the fault begins, as a share of the load: 32 s of death then fit into 60 s of load with a little to spare.
FAULT_AT = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One demo run."""

    out: Path
    seconds: float = DEFAULT_SECONDS
    rate: float | None = None
    singles: float | None = None
    fault: bool = True
    input_file: Path | None = None
    #: Fewest and most events of a list; None: as suits the input.
    list_events: tuple[int, int] | None = None
    seed: int = 1
    drain_seconds: float = 180.0
    #: Patterns beside the events; they need the far side of the local stack.
    mix: bool = False
    #: The stack: local, kubernetes.
    target: str = "local"
    #: None: as suits the stack.
    lateness_bound_ms: float | None = None
    max_failed_share: float = MAX_FAILED_SHARE
    objectives: Path = DEFAULT_FILE
    #: The load ends when this file appears, after `seconds` at the latest.
    until: Path | None = None
    #: The load also ends when this process, which started it, is gone.
    parent: int | None = None
    #: The load is this share of what a trial finds to be sustained; `rate` is then the most.
    share: float | None = None
    #: What the trial found, in events a second.
    sustained: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be asked together."""
        if self.until is not None and self.fault:
            raise ScheduleError("--until needs --no-fault: the fault comes at a share of a length that must be known.")
        if self.mix and self.target != "local":
            raise ScheduleError("--mix needs the local stack: only there a far side can be started that counts calls.")

    @property
    def schedule(self) -> Schedule:
        """The load that this asks for."""
        replay = self.input_file is not None
        rate = self.rate if self.rate is not None else REPLAY_RATE if replay else DEFAULT_RATE
        singles = self.singles if self.singles is not None else REPLAY_SINGLES if replay else DEFAULT_SINGLES
        singles = min(singles, rate)
        usual = (REPLAY_LIST_MIN_EVENTS, REPLAY_LIST_MAX_EVENTS) if replay else (LIST_MIN_EVENTS, LIST_MAX_EVENTS)
        least, most = self.list_events or usual
        return Schedule(
            seconds=self.seconds,
            singles_per_second=singles,
            lists_per_second=(rate - singles) / ((least + most) / 2),
            list_min_events=least,
            list_max_events=most,
            seed=self.seed,
        )

    def at(self, rate: float, *, sustained: float) -> Options:
        """The same mix at the rate that a trial allows."""
        most = self.schedule
        singles = most.singles_per_second * rate / most.events_per_second
        return replace(self, rate=rate, singles=singles, sustained=sustained)

    def on(self, broker: str) -> Options:
        """The same on another broker: where nothing else was asked for, as suits it."""
        if broker not in BROKER_RATES:
            return self
        usual_rate, usual_singles = BROKER_RATES[broker]
        rate = usual_rate if self.rate is None and self.input_file is None else self.rate
        singles = usual_singles if self.singles is None and self.input_file is None else self.singles
        objectives = BROKER_FILES[broker] if self.objectives == DEFAULT_FILE else self.objectives
        return replace(self, rate=rate, singles=singles, objectives=objectives)

    def as_data(self) -> dict[str, Any]:
        """For verdict.json."""
        return {
            "seconds": self.seconds,
            "target": self.target,
            "fault": self.fault,
            "mix": self.mix,
            "max_failed_share": self.max_failed_share,
            "objectives": self.objectives.name,
            "input": self.input_file.name if self.input_file else None,
            "seed": self.seed,
            "schedule": asdict(self.schedule),
            "events_per_second": round(self.schedule.events_per_second, 1),
            "share": self.share,
            "sustained_events_per_second": self.sustained and round(self.sustained, 1),
        }

    def command(self) -> str:
        """The command that repeats this run."""
        schedule = self.schedule
        words = ["python", "-m", "loadtests", "demo", "--seconds", f"{self.seconds:g}"]
        words += ["--rate", f"{schedule.events_per_second:g}", "--singles", f"{schedule.singles_per_second:g}"]
        words += ["--seed", str(self.seed)]
        words += ["--input", str(self.input_file)] if self.input_file else []
        words += [] if self.fault else ["--no-fault"]
        words += [] if self.mix or self.target != "local" else ["--no-mix"]
        words += [] if self.target == "local" else ["--target", self.target]
        words += [] if self.until is None else ["--until", str(self.until)]
        words += [] if self.lateness_bound_ms is None else ["--lateness-ms", f"{self.lateness_bound_ms:g}"]
        words += [] if self.max_failed_share == MAX_FAILED_SHARE else ["--max-failed", f"{self.max_failed_share:g}"]
        words += (
            [] if self.objectives in {DEFAULT_FILE, *BROKER_FILES.values()} else ["--objectives", str(self.objectives)]
        )
        return shlex.join(words)
