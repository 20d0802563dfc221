"""Runs one experiment by Chaos Toolkit, and reads from its journal how it went."""

from __future__ import annotations

import logging
import signal
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from chaoslib.run import RunEventHandler, Runner
from chaoslib.types import Strategy

from chaos.experiment import Experiment

#: However the method ended: `take_back` may be asked any number of times.
_SETTINGS = {"runtime": {"rollbacks": {"strategy": "always"}}}


class Course(StrEnum):
    """How an experiment went, whatever became of the load."""

    HEALED = "healed"
    #: The target was not in its steady state, so nothing was broken.
    REFUSED = "refused"
    #: The fault did not happen, or not for its time: this has shown nothing.
    VOID = "void"
    #: It happened, and the target is not as it was.
    BROKEN = "broken"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the journal says. Times are Unix seconds."""

    course: Course
    detail: str
    injected_at: float | None = None
    confirmed_at: float | None = None
    cleared_at: float | None = None
    recovered_at: float | None = None


def run(experiment: Experiment) -> Outcome:
    """Run it to its end, rollbacks included."""
    # The journal has its warnings, and the report has them in our own words.
    logging.getLogger("chaostoolkit").setLevel(logging.ERROR)
    runner = Runner(Strategy.DEFAULT)
    runner.register_event_handler(_Signals())
    return read_journal(runner.run(deepcopy(dict(experiment.document)), settings=_SETTINGS))


class _Signals(RunEventHandler):  # type: ignore[misc] # the package has no types
    """Has SIGTERM end a run as Ctrl-C does.

    Chaos Toolkit raises an Exception for it, which an activity under way takes for a failure of its own.
    """

    def started(self, experiment: Any, journal: Any) -> None:
        """Called after Chaos Toolkit has set its own handlers; it sets the former ones back at the end."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def read_journal(journal: Mapping[str, Any]) -> Outcome:
    """Judge a run by its journal."""
    activities = [*journal["run"], *journal["rollbacks"]]
    injected = [each for each in journal["run"] if _calls(each) == "inject"]
    stayed = [each for each in journal["run"] if _calls(each) == "stays"]
    back = [each for each in activities if _calls(each) == "take_back"]
    after = (journal["steady_states"].get("after") or {}) if injected else {}
    in_place = [each["output"] for each in injected] if _all_succeeded(injected) else []
    times = {
        "injected_at": in_place[0]["injected_at"] if in_place else None,
        "confirmed_at": in_place[-1]["confirmed_at"] if in_place and _all_succeeded(stayed) else None,
        "cleared_at": _end([each for each in back if _succeeded(each)][:1]) if back and _succeeded(back[-1]) else None,
        "recovered_at": _end(after.get("probes", [])) if after.get("steady_state_met") else None,
    }
    course, detail = _course(journal, injected, stayed, back, after)
    return Outcome(course=course, detail=detail, **times)


def _course(
    journal: Mapping[str, Any],
    injected: list[Any],
    stayed: list[Any],
    back: list[Any],
    after: Mapping[str, Any],
) -> tuple[Course, str]:
    interrupted = journal["status"] == "interrupted"
    # An interrupt may come while the method takes back: that activity has no status, and the rollback asks again.
    if wrong := [each for each in back if not _succeeded(each) and ("status" in each or each is back[-1])]:
        return Course.BROKEN, _reason(wrong[0])
    if interrupted:
        return Course.INTERRUPTED, "it was ended early, and what was injected was taken back"
    if not injected:
        return Course.REFUSED, _states(journal["steady_states"].get("before"))
    if not after.get("steady_state_met"):
        return Course.BROKEN, _states(after)
    if failed := [each for each in (*injected, *stayed) if not _succeeded(each)]:
        return Course.VOID, _reason(failed[0])
    return Course.HEALED, "; ".join(each["output"]["what"] for each in injected)


def _states(state: Mapping[str, Any] | None) -> str:
    probes = (state or {}).get("probes", [])
    found = [str(probe["output"]) if _succeeded(probe) else _reason(probe) for probe in probes]
    return "; ".join(found) or "the steady state was not asked for"


def _calls(run: Mapping[str, Any]) -> str:
    return str(run["activity"].get("provider", {}).get("func"))


def _succeeded(run: Mapping[str, Any]) -> bool:
    """An activity that was interrupted has no status."""
    return bool(run.get("status") == "succeeded")


def _all_succeeded(runs: list[Any]) -> bool:
    return bool(runs) and all(_succeeded(each) for each in runs)


def _reason(run: Mapping[str, Any]) -> str:
    """The last line of the traceback that the journal keeps."""
    return str((run.get("exception") or ["it failed"])[-1]).strip()


def _end(runs: list[Any]) -> float | None:
    return datetime.fromisoformat(runs[-1]["end"]).timestamp() if runs else None
