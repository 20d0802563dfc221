"""How fast the stack is: each profile climbs a ladder of offered rates until one is not sustained.

Measured end to end, from the intended HTTP send to the committed effect, with the whole stack and the generator on
one machine. A rate counts as sustained when the run would PASS (sent on schedule, nothing lost or doubled), hardly any
request was refused, and 99 % of the events took effect within `_P99_MS`: where they did not, a queue was growing. At
the end of a ladder the gateway may refuse as much as it must; what it accepted is still held against every invariant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from loadtests.console import Display
from loadtests.demo import run_demo
from loadtests.options import Options
from loadtests.target import Target
from loadtests.verdict import MAX_FAILED_SHARE, Verdict

#: Long enough for several batches, checkpoints and garbage collections; short enough for a dozen rates.
SECONDS_A_RATE = 15.0
#: A queue that grows for the length of a run is seconds long at its end; one that does not, milliseconds.
_P99_MS = 2_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """One kind of load, at rising rates (events a second)."""

    name: str
    rates: tuple[int, ...]
    options: Callable[[float], dict[str, Any]]


def ladders(input_file: Path | None) -> tuple[Ladder, ...]:
    """Single events, full lists, and a file's events both ways."""
    generated = (
        Ladder(
            name="single events, 300 B",
            rates=(100, 200, 300, 400, 500, 600),
            options=lambda rate: {"rate": rate, "singles": rate},
        ),
        Ladder(
            name="lists of 1,000 events, 300 B",
            rates=(2000, 3000, 4000, 5000, 6000, 8000),
            options=lambda rate: {"rate": rate, "singles": 0.0, "list_events": (1000, 1000)},
        ),
    )
    if input_file is None:
        return generated
    return (
        *generated,
        Ladder(
            name=f"single events of {input_file.name}",
            rates=(100, 200, 300, 400),
            options=lambda rate: {"rate": rate, "singles": rate, "input_file": input_file},
        ),
        Ladder(
            name=f"lists of 100 events of {input_file.name}",
            rates=(200, 400, 600, 800, 1000, 1200),
            options=lambda rate: {
                "rate": rate,
                "singles": 0.0,
                "list_events": (100, 100),
                "input_file": input_file,
            },
        ),
    )


def climb_all(
    all_ladders: Sequence[Ladder], target: Target, display: Display, *, seconds: float, out: Path
) -> list[dict[str, Any]]:
    """Climb each ladder; one row a profile.

    Raises:
        HarnessError: the stack was not ready.
    """
    return [_climb(ladder, target, display, seconds=seconds, out=out) for ladder in all_ladders]


def sustained(content: dict[str, Any]) -> bool:
    """Whether a run kept up with what was offered."""
    requests = content["requests"]
    accepted = requests["accepted"] >= (1 - MAX_FAILED_SHARE) * (requests["planned"] - requests["not_sent"])
    return bool(
        content["verdict"] == Verdict.PASS and accepted and content["latency_ms"]["end_to_end"]["p99"] <= _P99_MS
    )


def _climb(ladder: Ladder, target: Target, display: Display, *, seconds: float, out: Path) -> dict[str, Any]:
    best: dict[str, Any] | None = None
    stopped_by, broken = "the ladder's end", False
    for rate in ladder.rates:
        display.console.print(f"[bold]{ladder.name}[/bold]: {rate:,} events/s for {seconds:g} s")
        options = Options(
            out=out, seconds=seconds, fault=False, target=target.name, max_failed_share=1.0, **ladder.options(rate)
        )
        content = run_demo(options, target, display)
        if not sustained(content):
            p99_seconds = content["latency_ms"]["end_to_end"]["p99"] / 1000
            stopped_by = "; ".join(content["reasons"]) or (
                f"p99 of {p99_seconds:.1f} s and {content['gateway_errors']:,} requests without a 202 at {rate:,}/s"
            )
            broken = content["verdict"] == Verdict.FAIL
            break
        best = content
    latency = best["latency_ms"]["end_to_end"] if best else {}
    return {
        "profile": ladder.name,
        "sustained_events_per_second": round(best["throughput"]["accepted_events_per_second"]) if best else 0,
        "end_to_end_ms": {name: latency.get(name) for name in ("p50", "p95", "p99")},
        "stopped_by": stopped_by,
        "broken": broken,
    }


def print_figures(console: Console, figures: Sequence[dict[str, Any]]) -> None:
    """A table for people."""
    table = Table(title="Highest sustained rate, HTTP to committed effect, everything on this machine")
    for column, justify in (("load", "left"), ("events/s", "right"), ("p50 ms", "right"), ("p99 ms", "right")):
        table.add_column(column, justify="right" if justify == "right" else "left")
    table.add_column("the next rate failed by")
    for row in figures:
        latency = row["end_to_end_ms"]
        table.add_row(
            row["profile"],
            f"{row['sustained_events_per_second']:,}",
            *("-" if latency[name] is None else f"{latency[name]:,.0f}" for name in ("p50", "p99")),
            row["stopped_by"],
        )
    console.print(table)
