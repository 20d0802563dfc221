"""From figures to a verdict: PASS, FAIL or VOID, each check with its own line.

A check that weighs FAIL is an invariant (docs/verdict.md lists them), one that weighs VOID is about the run's conduct.
FAIL beats VOID: an event that was lost is lost, however badly the run was conducted. How fast the system was is no
check: `objectives.py` has that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from loadtests.fault import Fault
from loadtests.latency import Latencies
from loadtests.mix.mixed import Mixed
from loadtests.reconcile import Accounting

#: The broker must be gone longer than its heartbeats and its clients' patience, or nothing was survived.
MIN_DEAD_SECONDS = 30.0
#: Less of the schedule than this sent: another load than the one that the report names.
MIN_ACHIEVED = 0.99
#: The generator shares two cores with the whole system, and a run queue there is tens of milliseconds deep, longer in
#: the second in which a broker dies. Lateness is inside every end-to-end figure (they begin at the intended time), so
#: it flatters nothing; the bound only keeps the load what it claims to be: a quarter of a second, where rates are drawn
#: by the second.
MAX_LATENESS_P99_MS = 250.0
#: Requests without a 202, as a share of those sent, beyond which the gateway did not do its work: ten times what the
#: success objective lets fail, so that one stumble of a shared machine in a minute's 4,000 requests is no broken
#: promise. A broker node's death explains none. A run whose fault does explain some (its only database moves) says how
#: many. Whatever came instead counts the same, a 4xx, a 429, a 503 or no answer: the caller has no job.
MAX_FAILED_SHARE = 0.01
#: A request ends by then, with an answer or an error: the generator's own patience is 10 s for each of connection,
#: sending and answer, and a machine that stands still for seconds must not be taken for a gateway that does.
MAX_REQUEST_SECONDS = 60.0
#: Accepted events below which a run shows nothing: no 99th percentile can be told from fewer.
MIN_ACCEPTED = 100
#: And as a share of the events planned, for runs that may refuse much: with less than half, it was another load.
MIN_ACCEPTED_SHARE = 0.5
#: How far PostgreSQL's clock may stand from the generator's.
MAX_CLOCK_OFFSET_SECONDS = 0.05


class Verdict(StrEnum):
    """The run's result."""

    PASS = "PASS"  # noqa: S105 - not a password
    FAIL = "FAIL"
    VOID = "VOID"


class Weight(StrEnum):
    """What it means when a check is not met."""

    FAIL = "FAIL"
    VOID = "VOID"
    NOTE = "NOTE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the verdict."""

    name: str
    ok: bool
    weight: Weight
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """How the run itself went."""

    fault_wanted: bool
    fault: Fault | None
    drained: bool
    clock_offset_seconds: float
    generator_error: str | None = None
    lateness_bound_ms: float = MAX_LATENESS_P99_MS
    max_failed_share: float = MAX_FAILED_SHARE
    mixed: Mixed = field(default_factory=Mixed)
    #: The events are a person's own: some may be poison.
    replayed: bool = False


def achieved(accounting: Accounting) -> float:
    """The share of the schedule that was sent."""
    planned = accounting.requests["planned"]
    return (planned - accounting.requests["not_sent"]) / planned if planned else 0.0


def judge(accounting: Accounting, latencies: Latencies, conduct: Conduct) -> list[Check]:
    """All checks of a run, the gravest first."""
    return [
        *_data(accounting, conduct),
        *_mix(conduct.mixed),
        *_run(accounting, latencies, conduct),
        *_fault(conduct),
    ]


def decide(checks: Sequence[Check]) -> Verdict:
    """FAIL if a promise was broken, else VOID if the run proves nothing, else PASS."""
    missed = {check.weight for check in checks if not check.ok}
    if Weight.FAIL in missed:
        return Verdict.FAIL
    return Verdict.VOID if Weight.VOID in missed else Verdict.PASS


def _check(weight: Weight, name: str, detail: str, *, ok: bool) -> Check:
    return Check(name=name, ok=ok, weight=weight, detail=detail)


def _data(acc: Accounting, conduct: Conduct) -> list[Check]:
    def fail(name: str, detail: str, *, ok: bool) -> Check:
        return _check(Weight.FAIL, name, detail, ok=ok)

    totals = acc.totals
    return [
        fail("nothing lost", f"{acc.lost} of {acc.accepted:,} accepted events lost", ok=acc.lost == 0),
        fail(
            "each effect once (rows)",
            f"{acc.duplicated_by_rows} rows too many in events",
            ok=acc.duplicated_by_rows == 0,
        ),
        fail(
            "each effect once (totals)",
            f"{totals.users:,} users: {totals.surplus} effects too many, {totals.missing} missing, "
            f"{totals.wrong_balances} balances wrong",
            ok=totals.surplus == totals.missing == totals.wrong_balances == 0,
        ),
        fail(
            "balances sum to zero",
            f"all accounts together hold {totals.sum_of_balances}",
            ok=totals.sum_of_balances == 0,
        ),
        fail("nothing from nowhere", f"{acc.unexpected} effects that nobody sent", ok=acc.unexpected == 0),
        fail(
            "nothing refused ran",
            f"{acc.refused_executed} effects of requests that were answered 'nothing was accepted'",
            ok=acc.refused_executed == 0,
        ),
        fail(
            "nothing altered",
            f"{acc.altered} effects with another user, amount, type, time or payload",
            ok=acc.altered == 0,
        ),
        fail(
            "effect and inbox together",
            f"{acc.without_inbox} effects without an inbox entry",
            ok=acc.without_inbox == 0,
        ),
        fail(
            "unknown requests ran whole or never",
            f"{acc.unknown_torn_requests} ran in part",
            ok=acc.unknown_torn_requests == 0,
        ),
        fail(
            "executed or dead, not both",
            f"{acc.executed_and_dead} events have an effect and a dead letter",
            ok=acc.executed_and_dead == 0,
        ),
        fail(
            "each request has its job",
            f"{acc.missing_jobs} jobs are not there, or name other events",
            ok=acc.missing_jobs == 0,
        ),
        fail(
            "jobs say what happened",
            f"{acc.wrong_job_states} jobs have another state than their events",
            ok=acc.wrong_job_states == 0,
        ),
        fail(
            "requests were accepted",
            f"{acc.failed_share:.2%} of those sent have no 202 (at most {conduct.max_failed_share:.2%})",
            ok=acc.failed_share <= conduct.max_failed_share,
        ),
        fail(
            "each request ended",
            f"the longest took {acc.longest_request_seconds:.1f} s (at most {MAX_REQUEST_SECONDS:.0f}), "
            f"{acc.unended_requests} have no end",
            ok=acc.longest_request_seconds <= MAX_REQUEST_SECONDS
            and (acc.unended_requests == 0 or conduct.generator_error is not None),
        ),
        _check(
            Weight.NOTE if conduct.replayed else Weight.FAIL,
            "only poison is dead",
            f"{acc.dead_lettered} events are dead letters; "
            + ("the replayed file may hold poison" if conduct.replayed else "made-up events hold no poison"),
            ok=acc.dead_lettered == 0,
        ),
        fail("drained", "queues and outbox are empty" if conduct.drained else "work was left over", ok=conduct.drained),
    ]


def _mix(mixed: Mixed) -> list[Check]:
    judged = [
        _check(Weight.FAIL, one.promise, f"{one.found} (expected: {one.expected})", ok=one.ok) for one in mixed.judged
    ]
    return [*judged, *(_check(Weight.VOID, f"{name} was sent", why, ok=False) for name, why in mixed.unsent)]


def _run(acc: Accounting, latencies: Latencies, conduct: Conduct) -> list[Check]:
    def void(name: str, detail: str, *, ok: bool) -> Check:
        return _check(Weight.VOID, name, detail, ok=ok)

    lateness = latencies.send_lateness.p99
    negative = latencies.end_to_end.negative + latencies.http.negative
    enough = max(MIN_ACCEPTED, math.ceil(MIN_ACCEPTED_SHARE * acc.planned))
    return [
        void(
            "enough was accepted",
            f"{acc.accepted:,} of {acc.planned:,} events (at least {enough:,})",
            ok=acc.accepted >= enough,
        ),
        void(
            "schedule kept",
            f"{achieved(acc):.2%} of {acc.requests['planned']:,} requests sent (at least {MIN_ACHIEVED:.0%})",
            ok=achieved(acc) >= MIN_ACHIEVED,
        ),
        void(
            "generator on time",
            f"p99 lateness {lateness:.1f} ms (at most {conduct.lateness_bound_ms:.0f})",
            ok=lateness <= conduct.lateness_bound_ms,
        ),
        void(
            "clocks agree",
            f"PostgreSQL's stands {conduct.clock_offset_seconds * 1000:+.1f} ms from ours, {negative} negative times",
            ok=abs(conduct.clock_offset_seconds) <= MAX_CLOCK_OFFSET_SECONDS and negative == 0,
        ),
        void("generator finished", conduct.generator_error or "it ended by itself", ok=conduct.generator_error is None),
    ]


def _fault(conduct: Conduct) -> list[Check]:
    if not conduct.fault_wanted:
        return []
    fault = conduct.fault or Fault()
    return [
        _check(
            Weight.VOID,
            "fault confirmed",
            f"{fault.evidence.get('node', 'no node')} was killed" if fault.confirmed else fault.error or "no fault",
            ok=fault.confirmed,
        ),
        _check(
            Weight.VOID,
            "node dead long enough",
            f"{fault.dead_seconds:.1f} s (at least {MIN_DEAD_SECONDS:.0f})",
            ok=fault.dead_seconds >= MIN_DEAD_SECONDS,
        ),
    ]
