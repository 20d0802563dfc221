"""A day of drills, read from the folder that `make drills` leaves: drill.json and load.json of each drill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from loadtests.errors import DayError

#: The gravest first: it is the verdict of the day.
_GRAVEST = ("INTERRUPTED", "FAIL", "VOID", "PASS")
_SIGNS = {"PASS": "✓", "INTERRUPTED": "-"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillOfDay:
    """One drill. Times are Unix seconds, None where it did not come so far."""

    name: str
    title: str
    promises: tuple[str, ...]
    verdict: str
    reason: str
    began_at: float
    injected_at: float | None
    cleared_at: float | None
    recovered_at: float | None
    accepted: int
    executed: int
    lost: int
    doubled: int
    #: Of its load: when it began, and what stands in `timeline` of its verdict; None if there is no account.
    load_began_at: float | None = None
    timeline: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def fault_seconds(self) -> float | None:
        """How long the fault lasted."""
        return None if self.injected_at is None or self.cleared_at is None else self.cleared_at - self.injected_at

    @property
    def recovery_seconds(self) -> float | None:
        """From the end of the fault until every part was well."""
        return None if self.cleared_at is None or self.recovered_at is None else self.recovered_at - self.cleared_at

    @property
    def mark(self) -> str:
        """The class of its cells."""
        return "ok" if self.verdict == "PASS" else "VOID" if self.verdict == "INTERRUPTED" else self.verdict

    @property
    def sign(self) -> str:
        """The text of its cells."""
        return _SIGNS.get(self.verdict, self.verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """All drills of a folder, in the order in which they ran."""

    name: str
    drills: tuple[DrillOfDay, ...]
    #: The experiments that were planned and have not run.
    missing: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """The gravest of all."""
        return min((drill.verdict for drill in self.drills), key=_GRAVEST.index)

    @property
    def verdicts(self) -> Mapping[str, int]:
        """How many drills ended so."""
        return Counter(drill.verdict for drill in self.drills)

    @property
    def promises(self) -> tuple[str, ...]:
        """The promises that were attacked, in the order of their numbers."""
        return tuple(sorted({each for drill in self.drills for each in drill.promises}, key=lambda each: int(each[1:])))

    @property
    def began_at(self) -> float:
        """When the first drill began."""
        return self.drills[0].began_at

    @property
    def accepted(self) -> int:
        """Events of all drills."""
        return sum(drill.accepted for drill in self.drills)

    @property
    def executed(self) -> int:
        """Events of all drills."""
        return sum(drill.executed for drill in self.drills)

    @property
    def lost(self) -> int:
        """Events of all drills."""
        return sum(drill.lost for drill in self.drills)

    @property
    def doubled(self) -> int:
        """Events of all drills."""
        return sum(drill.doubled for drill in self.drills)

    def as_data(self) -> dict[str, Any]:
        """For JSON, without the timelines, which stand in each drill's load.json."""
        drills = [{name: value for name, value in asdict(each).items() if name != "timeline"} for each in self.drills]
        totals = {name: getattr(self, name) for name in ("accepted", "executed", "lost", "doubled")}
        return {
            "name": self.name, "verdict": self.verdict, "verdicts": dict(self.verdicts), **totals,
            "missing": list(self.missing), "drills": drills,
        }  # fmt: skip


def read_day(folder: Path) -> Day:
    """Read what a day has left, also while it lasts.

    Raises:
        DayError: there is no drill, or a file cannot be read.
    """
    try:
        drills = sorted(
            (_drill(file) for file in folder.glob("*/drill.json")), key=lambda drill: (drill.began_at, drill.name)
        )
        plan = folder / "plan.json"
        planned = orjson.loads(plan.read_bytes())["names"] if plan.is_file() else []
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise DayError(f"{folder}: {type(error).__name__}: {error}") from error
    if not drills:
        raise DayError(f"{folder} has no drill.json in any folder.")
    ran = {drill.name for drill in drills}
    missing = tuple(name for name in planned if name not in ran)
    return Day(name=folder.resolve().name, drills=tuple(drills), missing=missing)


def _drill(file: Path) -> DrillOfDay:
    said, load = orjson.loads(file.read_bytes()), file.with_name("load.json")
    outcome = said["outcome"]
    account = orjson.loads(load.read_bytes()) if load.is_file() and load.stat().st_size else {}
    return DrillOfDay(
        name=said["name"],
        title=said["title"],
        promises=tuple(said["promises"]),
        verdict=said["verdict"],
        reason=said["reason"],
        began_at=said["began_at"],
        injected_at=outcome["injected_at"],
        cleared_at=outcome["cleared_at"],
        recovered_at=outcome["recovered_at"],
        accepted=said["accepted"],
        executed=said["executed"],
        lost=said["lost"],
        doubled=said["doubled"],
        load_began_at=account.get("started_at"),
        timeline=account.get("timeline"),
    )
