"""When a rate counts as sustained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadtests.bench import ladders, sustained


@pytest.mark.parametrize(
    ("verdict", "p99_ms", "accepted", "kept_up"),
    [
        ("PASS", 400.0, 99, True),
        ("PASS", 2_001.0, 100, False),
        ("VOID", 400.0, 100, False),
        ("FAIL", 400.0, 100, False),
        ("PASS", 400.0, 98, False),
    ],
)
def test_a_growing_queue_is_not_throughput(verdict: str, p99_ms: float, accepted: int, kept_up: bool) -> None:
    """Accepting fast is not enough: the effects must follow within the bound, and little may be refused."""
    content: dict[str, Any] = {
        "verdict": verdict,
        "latency_ms": {"end_to_end": {"p99": p99_ms}},
        "requests": {"planned": 105, "not_sent": 5, "accepted": accepted},
    }

    assert kept_up is sustained(content)


def test_every_ladder_rises() -> None:
    """It stops at the first rate that is not sustained, so the next one must ask for more."""
    for ladder in ladders(Path("events.ndjson")):
        assert list(ladder.rates) == sorted(set(ladder.rates))
