"""The plan for the generator's process, in a file, because arguments and environments are read by everybody."""

from __future__ import annotations

import signal
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from loadtests.schedule import Schedule
from loadtests.source import EventSource, GeneratedEvents, ReplayedEvents

#: Names the plan's file to the generator.
PLAN_VARIABLE = "MILLRACE_LOAD_PLAN"
#: Asks the generator to plan no more requests.
FINISH_SIGNAL = signal.SIGUSR1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One load. The API key is named by its file and never written here."""

    run: str
    gateway_url: str
    ca_file: str
    api_key_file: str
    ledger: str
    started_file: str
    users: int
    schedule: Schedule
    input_file: str | None = None

    def write(self, path: Path) -> None:
        """Save the plan."""
        path.write_bytes(orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2))

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Load a plan."""
        fields = orjson.loads(path.read_bytes())
        return cls(**{**fields, "schedule": Schedule(**fields["schedule"])})

    def source(self) -> EventSource:
        """The events of this load."""
        if self.input_file:
            return ReplayedEvents.from_file(Path(self.input_file), run=self.run)
        return GeneratedEvents(run=self.run, seed=self.schedule.seed)
