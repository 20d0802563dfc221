"""Requests without a 202, one by one: a person who made a fault wants to see what it cost, and when."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from loadtests.history import Attempt, History, Outcome

FAILURES_FILE = "failed_requests.jsonl"
_FAILED = (Outcome.REFUSED, Outcome.UNKNOWN, Outcome.NOT_SENT)


def by_second(history: History, started_at: float) -> dict[str, int]:
    """How many requests failed, by the second after the start in which they were meant to leave."""
    counts = Counter(int(attempt.intent.intended_at - started_at) for attempt in history.with_outcome(*_FAILED))
    return {str(second): count for second, count in sorted(counts.items())}


def write_failures(folder: Path, history: History, started_at: float) -> Path:
    """One line of JSON a request, in the order in which they were meant to leave; an empty file if none failed."""
    path = folder / FAILURES_FILE
    attempts = sorted(history.with_outcome(*_FAILED), key=lambda attempt: attempt.intent.intended_at)
    path.write_bytes(b"".join(orjson.dumps(_record(attempt, started_at)) + b"\n" for attempt in attempts))
    return path


def _record(attempt: Attempt, started_at: float) -> dict[str, Any]:
    intent, result = attempt.intent, attempt.result
    return {
        "after_seconds": round(intent.intended_at - started_at, 3),
        "intended_at": intent.intended_at,
        "sent_at": result.sent_at,
        "returned_at": result.returned_at,
        "request_id": intent.request_id,
        "kind": intent.kind,
        "events": len(intent.effects),
        "outcome": result.outcome,
        "status": result.status,
        "error": result.error,
    }
