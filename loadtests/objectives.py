"""What promise P4 aims at: speed and success. Reported beside the verdict: a missed objective breaks no promise."""

from __future__ import annotations

from dataclasses import dataclass

from loadtests.latency import Latencies
from loadtests.reconcile import Accounting

#: P4: 99 % of interactive tasks start within this. The effect is measured, from the request's intended send: it comes
#: later than the start, so whoever meets this meets P4.
START_WITHIN_MS = 1_000.0
#: P4: the share of requests that are accepted.
ACCEPTED_SHARE = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A figure and what it should be; `detail` says both for people."""

    name: str
    bound: float
    measured: float
    met: bool
    detail: str


def assess(accounting: Accounting, latencies: Latencies) -> list[Objective]:
    """The objectives that this run can speak of: one without single events shows no interactive latency."""
    objectives = [_accepted(accounting)] if accounting.requests["planned"] else []
    return [*objectives, _started(latencies)] if latencies.end_to_end_single.count else objectives


def _accepted(accounting: Accounting) -> Objective:
    share = 1 - accounting.failed_share
    return Objective(
        name="requests accepted",
        bound=ACCEPTED_SHARE,
        measured=round(share, 6),
        met=share >= ACCEPTED_SHARE,
        detail=f"{share:.3%} of those sent (at least {ACCEPTED_SHARE:.1%})",
    )


def _started(latencies: Latencies) -> Objective:
    p99 = latencies.end_to_end_single.p99
    return Objective(
        name="single events start within a second",
        bound=START_WITHIN_MS,
        measured=p99,
        met=p99 <= START_WITHIN_MS,
        detail=f"p99 from intended send to effect {p99:,.0f} ms (at most {START_WITHIN_MS:,.0f})",
    )
