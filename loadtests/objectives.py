"""A run's objectives against its figures. Apart from the invariants: a missed objective breaks no promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loadtests.latency import Latencies, Latency
from loadtests.objective_file import Bounds
from loadtests.reconcile import Accounting


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A figure and what it should be; `detail` says both for people."""

    #: In the file of objectives.
    key: str
    name: str
    bound: float
    #: None: the run ended before it could be seen.
    measured: float | None
    met: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What objectives are measured by."""

    accounting: Accounting
    latencies: Latencies
    #: Events that had taken effect when the load ended.
    executed_in_time: int
    executed_events_per_second: float
    stall_seconds: float
    #: None: no fault, or it did not recover while it was watched.
    recovery_seconds: float | None
    fault_injected: bool


@dataclass(frozen=True, slots=True)
class _Measure:
    key: str
    name: str
    #: Of a measured figure and of its bound.
    form: str
    #: None: this run cannot speak of it.
    measure: Callable[[Figures], float | None]


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _p99(latency: Latency) -> float | None:
    return latency.p99 if latency.count else None


def _accepted_share(figures: Figures) -> float | None:
    accounting = figures.accounting
    return round(1 - accounting.failed_share, 6) if accounting.requests["planned"] else None


_MEASURES = (
    _Measure("accepted_share_at_least", "requests accepted", "{:.3%}", _accepted_share),
    _Measure(
        "executed_share_at_least", "accepted events executed", "{:.3%}",
        lambda figures: _share(figures.accounting.executed, figures.accounting.accepted),
    ),
    _Measure(
        "in_time_share_at_least", "events executed before the load's end", "{:.1%}",
        lambda figures: _share(figures.executed_in_time, figures.accounting.planned),
    ),
    _Measure(
        "executed_events_per_second_at_least", "events executed a second", "{:,.0f}/s",
        lambda figures: figures.executed_events_per_second,
    ),
    _Measure(
        "single_p99_ms_at_most", "single events: p99 from intended send to effect", "{:,.0f} ms",
        lambda figures: _p99(figures.latencies.end_to_end_single),
    ),
    _Measure(
        "list_p99_ms_at_most", "lists: p99 from intended send to effect", "{:,.0f} ms",
        lambda figures: _p99(figures.latencies.end_to_end_list),
    ),
    _Measure(
        "answer_p99_ms_at_most", "the gateway's answers: p99", "{:,.0f} ms",
        lambda figures: _p99(figures.latencies.http),
    ),
    _Measure(
        "lateness_p99_ms_at_most", "the generator's lateness: p99", "{:,.0f} ms",
        lambda figures: _p99(figures.latencies.send_lateness),
    ),
    _Measure("stall_seconds_at_most", "longest stall", "{:.2f} s", lambda figures: figures.stall_seconds),
)  # fmt: skip
_RECOVERY = _Measure(
    "recovery_seconds_at_most", "recovery from the fault", "{:.1f} s", lambda figures: figures.recovery_seconds
)


def assess(figures: Figures, bounds: Bounds) -> list[Objective]:
    """The objectives that this run can speak of: one without single events shows no interactive latency."""
    objectives = []
    for measure in _MEASURES:
        bound, measured = getattr(bounds, measure.key), measure.measure(figures)
        if bound is not None and measured is not None:
            objectives.append(_objective(measure, bound, measured))
    if bounds.recovery_seconds_at_most is not None and figures.fault_injected:
        objectives.append(_objective(_RECOVERY, bounds.recovery_seconds_at_most, figures.recovery_seconds))
    return objectives


def _objective(measure: _Measure, bound: float, measured: float | None) -> Objective:
    least = measure.key.endswith("_at_least")
    said = "not seen before the run ended" if measured is None else measure.form.format(measured)
    return Objective(
        key=measure.key,
        name=measure.name,
        bound=bound,
        measured=measured,
        met=measured is not None and (measured >= bound if least else measured <= bound),
        detail=f"{said} (at {'least' if least else 'most'} {measure.form.format(bound)})",
    )
