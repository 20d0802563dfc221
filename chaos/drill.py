"""A drill: one experiment under load, and what became of what was accepted meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from chaos import runner
from chaos.errors import NotSteadyError
from chaos.experiment import Experiment
from chaos.injections import held
from chaos.load import Load
from chaos.probes import WHOLE, whole
from chaos.runner import Course, Outcome

#: With fewer accepted events a drill has shown nothing.
MIN_ACCEPTED = 5_000
#: A little more than that at the rate wanted, whatever the fault takes.
_SPARE = 1.5
#: The drill waits so long for the steady state. Later a person has to look at the target.
_STEADY_SECONDS = 60.0


class Verdict(StrEnum):
    """The verdicts of a drill."""

    PASS = "PASS"  # noqa: S105 - not a password
    #: Something accepted was lost or done twice, or the target is not as it was.
    FAIL = "FAIL"
    VOID = "VOID"
    INTERRUPTED = "INTERRUPTED"


#: What the process returns; 4 is: it could not begin.
EXIT_CODES = {Verdict.PASS: 0, Verdict.FAIL: 2, Verdict.VOID: 3, Verdict.INTERRUPTED: 130}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of several verdicts: a lost event counts for more than a drill that has shown nothing."""
    order = (Verdict.PASS, Verdict.VOID, Verdict.FAIL, Verdict.INTERRUPTED)
    return max(verdicts, key=order.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Events a second in all, and of them those that are sent alone."""

    events: float = 300.0
    singles: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One drill."""

    name: str
    verdict: Verdict
    reason: str
    outcome: Outcome
    accepted: int = 0
    executed: int = 0
    lost: int = 0
    doubled: int = 0

    def line(self) -> str:
        """For people, and for the summary of a day."""
        times = self.outcome
        course = ", ".join(
            f"{word} {after:.1f} s after {since}"
            for word, since, after in (
                ("confirmed", "it was injected", _between(times.injected_at, times.confirmed_at)),
                ("taken back", "it was injected", _between(times.injected_at, times.cleared_at)),
                ("recovered", "it was taken back", _between(times.cleared_at, times.recovered_at)),
            )
            if after is not None
        )
        account = (
            f"accepted {self.accepted:,}, executed {self.executed:,}, lost {self.lost:,}, doubled {self.doubled:,}"
        )
        return f"{self.name}: {self.verdict} ({self.reason}); {course or 'nothing was injected'}; {account}"

    def as_data(self) -> dict[str, Any]:
        """For drill.json."""
        return asdict(self)


def drill(experiment: Experiment, folder: Path, rate: Rate) -> Report:
    """Run it under load; the target is left as it was.

    Raises:
        NotSteadyError: it is not well, and nothing was begun.
        LoadError: the load did not run.
    """
    held().open()
    if (state := whole(_STEADY_SECONDS)) != WHOLE:
        raise NotSteadyError(f"{state}. Mend that first; nothing was broken.")
    load = Load(
        folder,
        rate=rate.events,
        singles=rate.singles,
        fault_seconds=experiment.seconds,
        max_failed_share=experiment.card.max_failed_share,
        mix=experiment.card.mix,
    )
    try:
        load.wait_until_under_way()
        began = time.monotonic()
        outcome = runner.run(experiment)
        if outcome.course is Course.INTERRUPTED:
            load.stop()
            return judge(experiment.name, outcome, None)
        time.sleep(max(0.0, began + _SPARE * MIN_ACCEPTED / rate.events - time.monotonic()))
        return judge(experiment.name, outcome, load.finish())
    except BaseException:
        held().take_back()
        load.stop()
        raise


def judge(name: str, outcome: Outcome, account: Mapping[str, Any] | None) -> Report:
    """Judge the experiment's course and the load's account. A lost event is FAIL, even if the fault did not happen."""
    if account is None:
        verdict, reason = (
            (Verdict.INTERRUPTED if outcome.course is Course.INTERRUPTED else Verdict.VOID),
            outcome.detail,
        )
        return Report(name=name, verdict=verdict, reason=reason, outcome=outcome)
    verdict, reason = _judge(outcome, account)
    return Report(
        name=name,
        verdict=verdict,
        reason=reason,
        outcome=outcome,
        accepted=account["accepted"],
        executed=account["executed"],
        lost=account["lost"],
        doubled=account["duplicated_effects"],
    )


def _judge(outcome: Outcome, account: Mapping[str, Any]) -> tuple[Verdict, str]:
    if outcome.course is Course.BROKEN:
        return Verdict.FAIL, f"the target is not as it was: {outcome.detail}"
    if account["verdict"] not in {Verdict.PASS, Verdict.VOID}:
        return Verdict.FAIL, "; ".join(account["reasons"])
    if outcome.course is not Course.HEALED:
        return Verdict.VOID, outcome.detail
    if account["accepted"] < MIN_ACCEPTED:
        return Verdict.VOID, f"{account['accepted']:,} events were accepted, and {MIN_ACCEPTED:,} are needed"
    if account["verdict"] == Verdict.VOID:
        return Verdict.VOID, "; ".join(account["reasons"])
    return Verdict.PASS, outcome.detail


def _between(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else end - begin
