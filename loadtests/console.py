"""A run's progress and result for a person. Everything goes to standard error when JSON is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from loadtests.comparison import Comparison
from loadtests.fault import Fault
from loadtests.gate import Left
from loadtests.rows import Progress as Chunks
from loadtests.target import RABBITMQ, Target

_COLOURS = {"PASS": "green", "FAIL": "red", "VOID": "yellow"}
#: PASS, and an objective was missed.
_MISSED_COLOUR = "yellow"
_MEANINGS = {
    "PASS": "every accepted event was executed exactly once",
    "FAIL": "a promise was broken",
    "VOID": "the run proves nothing, neither good nor bad",
}


class Display:
    """Progress with a time estimate for whatever takes longer than two seconds."""

    def __init__(self, console: Console) -> None:
        """Write to this console."""
        self.console = console

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A step without a known length."""
        begin = time.monotonic()
        with self.console.status(f"{title} ..."):
            yield
        self.console.print(f"[green]✓[/green] {title} [dim]({time.monotonic() - begin:.1f} s)[/dim]")

    @contextmanager
    def load(self, requests: int, seconds: float, started_at: float) -> Iterator[Callable[[int, Fault | None], object]]:
        """The load: its length is its schedule's, unless it is ended before."""
        said: set[str] = set()
        with self._progress() as progress:
            task = progress.add_task("Load", total=seconds, note="")

            last = 0

            def show(answered: int, fault: Fault | None) -> None:
                nonlocal last
                last = answered
                note = f"{answered:,} of {requests:,} requests answered"
                progress.update(task, completed=min(seconds, max(0.0, time.time() - started_at)), note=note)
                for line in _fault_lines(fault, started_at):
                    if line not in said:
                        said.add(line)
                        progress.console.print(line)

            yield show
            progress.update(task, completed=seconds)
        lasted = min(seconds, time.time() - started_at)
        self.console.print(f"[green]✓[/green] Load of {lasted:.0f} s, {last:,} requests answered")

    @contextmanager
    def drain(self) -> Iterator[Callable[[Left, int], object]]:
        """The drain: its length is the events that are not done, at the rate at which they get fewer."""
        begin = time.monotonic()
        with self._progress() as progress:
            task = progress.add_task("Drain", total=None, note="")

            def show(now_left: Left, accepted: int) -> None:
                done = accepted - now_left.unaccounted
                note = f"{done:,} of {accepted:,} events done; {now_left}"
                if not now_left.total:
                    note = f"{done:,} of {accepted:,} events done; empty, and it must stay so"
                progress.update(task, total=accepted, completed=done, note=note)

            yield show
        self.console.print(f"[green]✓[/green] Outbox and queues drained [dim]({time.monotonic() - begin:.1f} s)[/dim]")

    @contextmanager
    def rows(self, rows: int) -> Iterator[Callable[[Chunks], object]]:
        """Show the progress of a batch with so many rows."""
        with self._progress() as progress:
            task = progress.add_task(f"{rows:,} rows", total=None, note="")

            def show(now: Chunks) -> None:
                note = f"{now.sent:,} of {now.chunks:,} chunks sent, {now.done:,} done"
                progress.update(task, total=now.chunks, completed=now.done, note=note)

            yield show

    def _progress(self) -> Progress:
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=self.console,
            transient=True,
        )


def print_verdict(console: Console, content: Mapping[str, Any], target: Target, folder: str) -> None:
    """The verdict, the reasons if it is not PASS, the figures, and where to look next."""
    name = content["verdict"]
    colour = _COLOURS[name]
    reasons = "".join(f"\n• {reason}" for reason in content["reasons"])
    meaning = _MEANINGS[name]
    meaning += f". Broker: {content['environment'].get('broker', 'unknown')}" if target.broker != RABBITMQ else ""
    if name == "PASS" and content["fault"] is not None:
        meaning += f", while {content['fault']['evidence'].get('node')} was dead under load"
    if missed := [objective for objective in content["objectives"] if not objective["met"]]:
        reasons += f"\nObjectives missed: {len(missed)} of {len(content['objectives'])}" + "".join(
            f"\n• {objective['name']}: {objective['detail']}" for objective in missed
        )
        colour = _MISSED_COLOUR if name == "PASS" else colour
    console.print(Panel(Text(f"{name}: {meaning}{reasons}", style=f"bold {colour}"), border_style=colour))
    console.print(_accounting_table(content))
    console.print(_speed_table(content))
    console.print(_objectives_table(content))
    places = Table(show_header=False, box=None)
    places.add_row("Report", f"{folder}/report.html")
    places.add_row("Verdict", f"{folder}/verdict.json, {folder}/junit.xml")
    for title, url in target.web_urls.items():
        places.add_row(title, url)
    places.add_row("Credentials", target.credentials)
    console.print(places)
    console.print(f"[dim]{target.closing_note}[/dim]")


def print_comparison(console: Console, found: Comparison) -> None:
    """A line a figure, and whether any is worse than allowed."""
    table = Table(title=f"{found.run} against {found.baseline}", title_justify="left")
    for column in ("", "run", "baseline", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    table.add_column("")
    for one in found.ratios:
        mark = "[green]✓[/green]" if one.ok else f"[red]{one.worse:.0%} worse[/red]"
        table.add_row(one.name, f"{one.run:,.1f}", f"{one.baseline:,.1f}", f"{one.ratio:.2f}", mark)
    console.print(table)
    for difference in found.machine:
        console.print(f"Another machine: {difference}", style="yellow", markup=False, highlight=False)
    allowed = f"{found.allowed_worse:.0%} worse than the baseline"
    if found.ok:
        console.print(f"No figure is more than {allowed}.", style="green", highlight=False)
    else:
        console.print(f"At least one figure is more than {allowed}.", style="red", highlight=False)


def _accounting_table(content: Mapping[str, Any]) -> Table:
    table = Table(title=f"Run {content['run']}", title_justify="left")
    table.add_column("Events")
    table.add_column("", justify="right")
    for name in (
        "accepted",
        "executed",
        "dead_lettered",
        "lost",
        "unknown",
        "duplicated_effects",
        "unexpected_effects",
    ):
        table.add_row(name.replace("_", " "), f"{content[name]:,}")
    table.add_row("gateway errors (requests)", f"{content['gateway_errors']:,}")
    return table


def _speed_table(content: Mapping[str, Any]) -> Table:
    table = Table(title="Milliseconds", title_justify="left")
    table.add_column("")
    for column in ("p50", "p95", "p99", "max"):
        table.add_column(column, justify="right")
    for title, name in (
        ("intended send to effect, all", "end_to_end"),
        ("  single events", "end_to_end_single"),
        ("  lists", "end_to_end_list"),
        ("gateway's answer", "http"),
        ("generator's lateness", "send_lateness"),
    ):
        figures = content["latency_ms"][name]
        table.add_row(title, *(f"{figures[column]:,.1f}" for column in ("p50", "p95", "p99", "max")))
    throughput = content["throughput"]
    table.caption_justify = "left"
    recovery = content["recovery_seconds"]
    recovered = "" if content["fault"] is None else f"; recovered in {'-' if recovery is None else f'{recovery:.2f} s'}"
    table.caption = (
        f"{throughput['accepted_events_per_second']:,.0f} events/s accepted, "
        f"{throughput['executed_events_per_second']:,.0f}/s executed; "
        f"longest stall {content['longest_stall_seconds']:.2f} s{recovered}"
    )
    return table


def _objectives_table(content: Mapping[str, Any]) -> Table:
    """Beside the invariants: a missed objective breaks no promise."""
    table = Table(title="Objectives", title_justify="left", show_header=False)
    for objective in content["objectives"]:
        met = "[green]met[/green]" if objective["met"] else "[yellow]missed[/yellow]"
        table.add_row(met, objective["name"], objective["detail"])
    return table


def _fault_lines(fault: Fault | None, started_at: float) -> Iterator[str]:
    if fault is None:
        return
    evidence = fault.evidence
    if fault.injected_at is not None:
        carried = len(evidence.get("worker_connections", ()))
        led = f"; it led {evidence['queue']} and carried {carried} workers' connections" if "queue" in evidence else ""
        yield f"[red]✗[/red] {fault.injected_at - started_at:.1f} s: {evidence.get('node')} killed{led}"
    if fault.confirmed_at is not None:
        leads = f", {evidence['new_leader']} leads now" if "new_leader" in evidence else ""
        yield f"  {fault.confirmed_at - started_at:.1f} s: confirmed{leads}"
    if fault.cleared_at is not None:
        yield f"  {fault.cleared_at - started_at:.1f} s: started again after {fault.dead_seconds:.1f} s"
    if fault.error is not None:
        yield f"[yellow]![/yellow] {fault.error}"
