"""What a faultless system shows of each pattern of the mix, and the same with one thing found otherwise."""

from __future__ import annotations

from typing import Any

from loadtests.mix import counted_batch, limited_calls, order, poison, schedules, unique_jobs, uploads
from loadtests.mix.mixed import Mixed

SENT = [f"a-{number}" for number in range(limited_calls.ADDRESSES)]
#: A hundred calls at once, and the others a minute later.
ARRIVALS = [0.01 * number for number in range(100)] + [60.5 + 0.01 * number for number in range(10)]
METERS = {"m-1": 30, "m-2": 12}
LINES = {"a-1": ["m-1", "m-2", "m-3"], "a-2": ["m-4"]}
CONTENTS = {"k-1": b"one", "k-2": b"two"}
COUNTS = [("d-1", uploads.WORDS), ("d-2", uploads.WORDS)]
POISONED, NEIGHBOURS = ["p-1", "p-2"], ["n-1"]
#: By pattern, the arguments of its judge.
PATTERNS: dict[Any, dict[str, Any]] = {
    limited_calls: {"sent": SENT, "stored": SENT, "arrivals": ARRIVALS},
    counted_batch: {
        "rows": 7, "sent": METERS, "aggregate": {"readings": 7, "watt_hours": 42}, "meters": {**METERS, "other": 1},
    },
    unique_jobs: {"cents": 420, "seconds": 20.0, "found": (unique_jobs.PAYMENTS, 420, 11)},
    order: {"sent": LINES, "found": LINES},
    uploads: {
        "contents": CONTENTS, "stored": {"k-1": 1, "k-2": 0}, "read": CONTENTS, "documents": ["d-1", "d-2"],
        "counted": COUNTS, "message_bytes": [700, 900],
    },
    poison: {
        "poisoned": POISONED, "neighbours": NEIGHBOURS, "letters": dict.fromkeys(POISONED, "failed"), "number": 2,
        "located": NEIGHBOURS,
    },
    schedules: {"sent": {"bulk": (6, 6), "interactive": (5, 5)}},
}  # fmt: skip


def found(pattern: Any = None, **otherwise: Any) -> Mixed:
    """All patterns as they must be, but of one of them something is found otherwise."""
    return Mixed(
        judged=[
            judged
            for one, good in PATTERNS.items()
            for judged in one.judged(**(good | otherwise if one is pattern else good))
        ]
    )
