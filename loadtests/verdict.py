"""From figures to a verdict: PASS, FAIL or VOID, each check with its own line.

FAIL beats VOID: an event that was lost is lost, however badly the run was conducted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from loadtests.fault import Fault
from loadtests.latency import Latencies
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
#: How far PostgreSQL's clock may stand from the generator's.
MAX_CLOCK_OFFSET_SECONDS = 0.05


class Verdict(StrEnum):
    """The run's result."""

    PASS = "PASS"  # noqa: S105 - not a password
    FAIL = "FAIL"
    VOID = "VOID"


#: What the process returns.
EXIT_CODES = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.VOID: 3}


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


def achieved(accounting: Accounting) -> float:
    """The share of the schedule that was sent."""
    planned = accounting.requests["planned"]
    return (planned - accounting.requests["not_sent"]) / planned if planned else 0.0


def judge(accounting: Accounting, latencies: Latencies, conduct: Conduct) -> list[Check]:
    """All checks of a run, the gravest first."""
    return [*_data(accounting, conduct), *_run(accounting, latencies, conduct), *_notes(accounting)]


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
        fail("nothing altered", f"{acc.altered} effects with another user or amount", ok=acc.altered == 0),
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
        fail("drained", "queues and outbox are empty" if conduct.drained else "work was left over", ok=conduct.drained),
    ]


def _run(acc: Accounting, latencies: Latencies, conduct: Conduct) -> list[Check]:
    def void(name: str, detail: str, *, ok: bool) -> Check:
        return _check(Weight.VOID, name, detail, ok=ok)

    lateness = latencies.send_lateness.p99
    negative = latencies.end_to_end.negative + latencies.http.negative
    checks = [
        void("something was accepted", f"{acc.accepted:,} events", ok=acc.accepted > 0),
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
    ]
    if conduct.generator_error:
        checks.append(void("generator finished", conduct.generator_error, ok=False))
    if conduct.fault_wanted:
        fault = conduct.fault or Fault()
        checks += [
            void(
                "fault confirmed",
                f"{fault.evidence.get('node', 'no node')} was killed" if fault.confirmed else fault.error or "no fault",
                ok=fault.confirmed,
            ),
            void(
                "node dead long enough",
                f"{fault.dead_seconds:.1f} s (at least {MIN_DEAD_SECONDS:.0f})",
                ok=fault.dead_seconds >= MIN_DEAD_SECONDS,
            ),
        ]
    return checks


def _notes(acc: Accounting) -> list[Check]:
    errors = acc.requests["unknown"] + acc.requests["refused"]
    return [
        _check(Weight.NOTE, "gateway answered everything", f"{errors} requests without a 202", ok=errors == 0),
        _check(Weight.NOTE, "no dead letters", f"{acc.dead_lettered} events", ok=acc.dead_lettered == 0),
    ]
