"""A run against a baseline run of the same kind: ratios of throughput and of latencies.

Two single runs on a shared machine differ by about 30 % without a cause (research/load-and-chaos.md), so less than that
says nothing. For a finer difference compare the medians of several runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from loadtests.errors import ComparisonError
from loadtests.verdict import Verdict

DEFAULT_WORSE = 0.3
_THROUGHPUT = ("accepted_events_per_second", "executed_events_per_second")
_LATENCIES = ("end_to_end_single", "end_to_end_list", "http")
_PERCENTILES = ("p50", "p95", "p99")
#: What makes two runs of one kind. Seeds may differ: the events are others and the load is the same.
_KIND = ("target", "fault", "mix", "input", "seconds", "share")
_KIND_OF_SCHEDULE = ("singles_per_second", "lists_per_second", "list_min_events", "list_max_events")
#: A difference here explains a difference in the figures.
_MACHINE = ("cores", "cpu", "memory_gib", "kernel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """One figure of both runs; `worse` is the share by which it got worse, negative if it got better."""

    name: str
    run: float
    baseline: float
    ratio: float
    worse: float
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All figures that both runs have."""

    run: str
    baseline: str
    allowed_worse: float
    ratios: Sequence[Ratio]
    #: How the machines differ; then the ratios say little about the system.
    machine: Sequence[str]

    @property
    def ok(self) -> bool:
        """Whether no figure is worse than allowed."""
        return all(ratio.ok for ratio in self.ratios)

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self) | {"ok": self.ok}


def comparison(run: Mapping[str, Any], baseline: Mapping[str, Any], *, worse: float = DEFAULT_WORSE) -> Comparison:
    """Compare two documents.

    Raises:
        ComparisonError: they are of different kinds, or one is no PASS.
    """
    for name, one in (("run", run), ("baseline", baseline)):
        if one["verdict"] != Verdict.PASS:
            raise ComparisonError(f"The {name} {one['run']} is {one['verdict']}: its figures count for nothing.")
    if unlike := list(_unlike(run, baseline)):
        raise ComparisonError(
            f"They are of different kinds: {'; '.join(unlike)}. Repeat the baseline's load: {baseline['reproduce']}"
        )
    ratios = [
        _ratio(name, mine, theirs, allowed=worse, more_is_better=more_is_better)
        for name, mine, theirs, more_is_better in _figures(run, baseline)
        if theirs > 0
    ]
    machines = (run["environment"], baseline["environment"])
    return Comparison(
        run=run["run"],
        baseline=baseline["run"],
        allowed_worse=worse,
        ratios=ratios,
        machine=list(_differences(_MACHINE, *machines)),
    )


def _unlike(run: Mapping[str, Any], baseline: Mapping[str, Any]) -> Iterator[str]:
    mine, theirs = run["options"], baseline["options"]
    yield from _differences(_KIND, mine, theirs)
    if mine.get("share") is None:  # a share of what the machine sustains is the same load at whatever rate
        yield from _differences(_KIND_OF_SCHEDULE, mine["schedule"], theirs["schedule"])


def _differences(names: Sequence[str], mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    for name in names:
        if mine.get(name) != theirs.get(name):
            yield f"{name} is {mine.get(name)} here and {theirs.get(name)} in the baseline"


def _figures(run: Mapping[str, Any], baseline: Mapping[str, Any]) -> Iterator[tuple[str, float, float, bool]]:
    for name in _THROUGHPUT:
        yield name, run["throughput"][name], baseline["throughput"][name], True
    for name in _LATENCIES:
        mine, theirs = run["latency_ms"][name], baseline["latency_ms"][name]
        for percentile in _PERCENTILES:
            if mine["count"] and theirs["count"]:
                yield f"{name}_{percentile}_ms", mine[percentile], theirs[percentile], False


def _ratio(name: str, run: float, baseline: float, *, allowed: float, more_is_better: bool) -> Ratio:
    ratio = run / baseline
    worse = 1 - ratio if more_is_better else ratio - 1
    return Ratio(
        name=name, run=run, baseline=baseline, ratio=round(ratio, 3), worse=round(worse, 3), ok=worse <= allowed
    )
