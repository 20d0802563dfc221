"""The verdict as a document: `verdict.json`, whose schema is `verdict.schema.json` and docs/verdict-schema.md."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from loadtests.errors import DocumentError
from loadtests.exit_codes import exit_code
from loadtests.fault import Fault
from loadtests.history import History, Outcome
from loadtests.latency import Latencies
from loadtests.mix.mixed import Mixed
from loadtests.objectives import Objective
from loadtests.reconcile import Accounting
from loadtests.timeline import Stall, Timeline, executed_a_second
from loadtests.verdict import MAX_LATENESS_P99_MS, Check, Verdict, Weight, achieved

#: Raised when a reader of an older document would misread a newer one; fields may be added without.
SCHEMA_VERSION = 2
SCHEMA_FILE = Path(__file__).with_name("verdict.schema.json")
VERDICT_FILE = "verdict.json"
REPORT_FILE = "report.html"
LATEST = "latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All that is known about a finished run."""

    run: str
    started_at: float
    load_ended_at: float
    ended_at: float
    verdict: Verdict
    checks: Sequence[Check]
    objectives: Sequence[Objective]
    accounting: Accounting
    latencies: Latencies
    timeline: Timeline
    stall: Stall
    recovery_seconds: float | None
    fault: Fault | None
    drain_seconds: float
    gateway_errors: Mapping[str, int]
    #: Second after the start to requests without a 202.
    failed_by_second: Mapping[str, int] = field(default_factory=dict)
    mixed: Mixed = field(default_factory=Mixed)
    options: Mapping[str, Any]
    environment: Mapping[str, Any]
    reproduce: str
    lateness_bound_ms: float = field(default=MAX_LATENESS_P99_MS)


def gateway_errors(history: History) -> dict[str, int]:
    """Requests without a 202, by what came instead."""
    errors: dict[str, int] = {}
    for attempt in history.with_outcome(Outcome.REFUSED, Outcome.UNKNOWN):
        result = attempt.result
        name = str(result.status) if result.status else (result.error or "no answer").split(":")[0]
        if result.problem:
            name += f" {result.problem}"
        errors[name] = errors.get(name, 0) + 1
    return errors


def document(run: Run) -> dict[str, Any]:
    """The whole of verdict.json; what most readers want stands at the top level."""
    acc = run.accounting
    load_seconds = max(run.load_ended_at - run.started_at, 1e-9)
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": str(run.verdict),
        "exit_code": int(exit_code(run.verdict, run.objectives)),
        "reasons": [
            f"{check.name}: {check.detail}" for check in run.checks if not check.ok and check.weight is not Weight.NOTE
        ],
        "run": run.run,
        "planned": acc.planned,
        "accepted": acc.accepted,
        "executed": acc.executed,
        "dead_lettered": acc.dead_lettered,
        "unknown": acc.unknown,
        "lost": acc.lost,
        "duplicated_effects": acc.duplicated_effects,
        "unexpected_effects": acc.unexpected,
        "refused_effects": acc.refused_executed,
        "executed_and_dead_lettered": acc.executed_and_dead,
        "missing_jobs": acc.missing_jobs,
        "wrong_job_states": acc.wrong_job_states,
        "gateway_errors": sum(run.gateway_errors.values()),
        "gateway_errors_by_kind": dict(run.gateway_errors),
        "failed_requests_by_second": dict(run.failed_by_second),
        "duplicates": {"by_rows": acc.duplicated_by_rows, "by_totals": acc.duplicated_by_totals},
        "totals": asdict(acc.totals),
        "altered_effects": acc.altered,
        "effects_without_inbox": acc.without_inbox,
        "unknown_executed": acc.unknown_executed,
        "unknown_torn_requests": acc.unknown_torn_requests,
        "unended_requests": acc.unended_requests,
        "longest_request_seconds": acc.longest_request_seconds,
        "dead_letter_reasons": dict(acc.dead_letter_reasons),
        "offenders": {name: list(ids) for name, ids in acc.offenders.items()},
        "requests": dict(acc.requests),
        "throughput": {
            "accepted_events_per_second": round(acc.accepted / load_seconds, 1),
            "executed_events_per_second": executed_a_second(acc.executed, run.timeline),
            "peak_executed_events_per_second": max(run.timeline.executed, default=0),
            "requests_per_second": round((acc.requests["planned"] - acc.requests["not_sent"]) / load_seconds, 1),
        },
        "latency_ms": asdict(run.latencies),
        "longest_stall_seconds": round(run.stall.seconds, 3),
        "longest_stall_began_after_seconds": round(run.stall.began_after, 3),
        "recovery_seconds": None if run.recovery_seconds is None else round(run.recovery_seconds, 2),
        "fault": None if run.fault is None else _fault(run.fault),
        "generator": {
            "achieved": round(achieved(acc), 5),
            "lateness_p99_ms": run.latencies.send_lateness.p99,
            "lateness_bound_ms": run.lateness_bound_ms,
        },
        "drain_seconds": round(run.drain_seconds, 1),
        "started_at": run.started_at,
        "load_ended_at": run.load_ended_at,
        "ended_at": run.ended_at,
        "checks": [asdict(check) for check in run.checks],
        "objectives": [asdict(objective) for objective in run.objectives],
        "mix": [asdict(judged) for judged in run.mixed.judged],
        "timeline": asdict(run.timeline),
        "options": dict(run.options),
        "environment": dict(run.environment),
        "reproduce": run.reproduce,
    }


def read_document(folder: Path) -> dict[str, Any]:
    """The verdict of a run's folder.

    Raises:
        DocumentError: says which file cannot be used.
    """
    path = folder / VERDICT_FILE
    try:
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise DocumentError(f"{path}: {error.strerror}.") from error
    except orjson.JSONDecodeError as error:
        raise DocumentError(f"{path}: {error}.") from error
    if not isinstance(content, dict) or content.get("schema_version") != SCHEMA_VERSION:
        raise DocumentError(f"{path} is not of schema version {SCHEMA_VERSION}.")
    return content


def write_document(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write verdict.json, whole or not at all."""
    path = folder / VERDICT_FILE
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    temporary.replace(path)
    return path


def link_latest(folder: Path) -> Path:
    """Point `out/latest` at this run; relative, so that the folder may be moved."""
    link = folder.parent / LATEST
    temporary = folder.parent / f".{LATEST}.{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    temporary.symlink_to(folder.name)
    temporary.replace(link)
    return link


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "kind": fault.kind,
        "confirmed": fault.confirmed,
        "injected_at": fault.injected_at,
        "confirmed_at": fault.confirmed_at,
        "cleared_at": fault.cleared_at,
        "recovered_at": fault.recovered_at,
        "dead_seconds": round(fault.dead_seconds, 2),
        "error": fault.error,
        "evidence": fault.evidence,
    }
