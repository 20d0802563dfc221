"""`python -m loadtests`: the demo run, its report drawn again, the benches."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from loadtests import options as defaults
from loadtests.artifacts import read_document
from loadtests.bench import SECONDS_A_RATE, climb_all, ladders, print_figures
from loadtests.comparison import DEFAULT_WORSE, comparison
from loadtests.console import Display, print_comparison, print_verdict
from loadtests.day import read_day
from loadtests.day_report import write_day
from loadtests.demo import run_demo
from loadtests.exclusive import exclusive
from loadtests.exit_codes import Commands, ExitCode
from loadtests.kubernetes_target import kubernetes_target, read_settings
from loadtests.objective_file import DEFAULT_FILE
from loadtests.options import Options
from loadtests.report import write_report
from loadtests.rows import SIZES, run as run_rows
from loadtests.rows_plot import drawing, table
from loadtests.target import Target, local_target
from loadtests.verdict import MAX_FAILED_SHARE

app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, help="Load, and the proof of what became of it."
)


class Place(StrEnum):
    """Where the stack runs."""

    LOCAL = "local"
    KUBERNETES = "kubernetes"


Where = Annotated[Place, typer.Option("--target", help="The stack of `make up`, or the one of `make staging`.")]


@app.command()
def demo(
    input_file: Annotated[
        Path | None, typer.Option("--input", help="Replay this file of events (JSON lines) instead of made-up ones.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long the load lasts.")] = defaults.DEFAULT_SECONDS,
    rate: Annotated[
        float | None,
        typer.Option(
            help=f"Events a second in all (default {defaults.DEFAULT_RATE:g}; {defaults.REPLAY_RATE:g} with --input)"
        ),
    ] = None,
    singles: Annotated[
        float | None,
        typer.Option(
            help=f"Of these, sent alone; the rest goes in lists (default: {defaults.DEFAULT_SINGLES:g}, or "
            f"{defaults.REPLAY_SINGLES:g} with --input)"
        ),
    ] = None,
    fault: Annotated[bool, typer.Option(help="Kill the busiest queue's leader in the middle.")] = True,
    mix: Annotated[
        bool | None,
        typer.Option(
            "--mix/--no-mix", help="Run patterns of docs/patterns beside the events (default: on the local stack)."
        ),
    ] = None,
    until: Annotated[
        Path | None,
        typer.Option(help="The load ends when this file appears, after --seconds at the latest; with --no-fault."),
    ] = None,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="The load also ends when the process that started it is gone.")
    ] = False,
    share: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=1.0,
            help="Try for 20 s what the stack sustains now, and send this share of it, --rate at the most.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the run's folder goes.")] = Path("out"),
    seed: Annotated[int, typer.Option(help="Same seed, same schedule.")] = 1,
    drain_seconds: Annotated[float, typer.Option(help="How long the work left over may take.")] = 180.0,
    place: Where = Place.LOCAL,
    lateness_ms: Annotated[
        float | None,
        typer.Option(min=1, help="VOID if 1 % of the requests left later than this (default: as suits the stack)."),
    ] = None,
    max_failed: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="FAIL if a larger share of the requests has no 202; say more for a harder fault."
        ),
    ] = MAX_FAILED_SHARE,
    objectives: Annotated[
        Path, typer.Option(help="What the run aims at; copy loadtests/objectives.toml and edit it.", show_default=False)
    ] = DEFAULT_FILE,
    as_json: Annotated[bool, typer.Option("--json", help="Print verdict.json on standard output.")] = False,
) -> None:
    """Load the running stack, kill a broker node under it, and account for every event.

    Exit code 0: PASS. 1: PASS, but an objective was missed. 2: FAIL, an invariant was broken. 3: VOID, the run proves
    nothing. 4: it could not run, or the machine is too slow for a verdict.
    """
    console = Console(stderr=as_json)
    # However this is ended, the generator ends with it and the killed node is started again.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        options = Options(
            out=out,
            seconds=seconds,
            rate=rate,
            singles=singles,
            fault=fault,
            mix=place is Place.LOCAL if mix is None else mix,
            input_file=input_file,
            seed=seed,
            drain_seconds=drain_seconds,
            target=str(place),
            lateness_bound_ms=lateness_ms,
            max_failed_share=max_failed,
            until=until,
            parent=os.getppid() if with_parent else None,
            share=share,
            objectives=objectives,
        )
        with _opened(place) as target:
            content = run_demo(options.on(target.broker), target, Display(console))
    except KeyboardInterrupt as error:
        console.print("Ended early: the load has stopped and no node was left dead. There is no verdict.")
        raise typer.Exit(ExitCode.INTERRUPTED) from error
    print_verdict(console, content, target, str(out / "latest"))
    if as_json:
        sys.stdout.write(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode() + "\n")
    raise typer.Exit(content["exit_code"])


@app.command()
def bench(
    input_file: Annotated[Path | None, typer.Option("--input", help="Measure this file's events too.")] = None,
    seconds: Annotated[float, typer.Option(help="How long each rate is offered.")] = SECONDS_A_RATE,
    out: Annotated[Path, typer.Option(help="Where the runs' folders go.")] = Path("out/bench"),
    place: Where = Place.LOCAL,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures on standard output.")] = False,
) -> None:
    """Find the highest rate that the running stack sustains, for single events and for lists, without a fault.

    Exit code 0: found. 2: a run broke an invariant. 4: it could not run.
    """
    console = Console(stderr=as_json)
    with _opened(place) as target:
        figures = climb_all(ladders(input_file), target, Display(console), seconds=seconds, out=out)
    print_figures(console, figures)
    if as_json:
        sys.stdout.write(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode() + "\n")
    if any(row["broken"] for row in figures):
        raise typer.Exit(ExitCode.INVARIANT_BROKEN)


@app.command()
def batch(
    rows: Annotated[
        list[int] | None,
        typer.Option(help="Rows of a batch; may be repeated. Default: 10,000 to 10 million."),
    ] = None,
    threads: Annotated[int, typer.Option(help="Requests under way at a time.")] = 4,
    containers: Annotated[
        str, typer.Option(help="A regular expression: begins the names of the containers to measure.")
    ] = "millrace[-_](?!test)",
    out: Annotated[Path, typer.Option(help="Where table and drawing go.")] = Path("out/batch"),
) -> None:
    """Send batches of millions of rows to the running local stack; say rows a second and the peak memory of each."""
    console = Console()
    out.mkdir(parents=True, exist_ok=True)
    runs = []
    display = Display(console)
    with _opened(Place.LOCAL) as target:
        for count in sorted(rows or SIZES):
            with display.rows(count) as show:
                runs.append(
                    run_rows(
                        target.gateway_url, target.ca_file, target.api_key, rows=count, threads=threads,
                        containers=containers, show=show,
                    )
                )  # fmt: skip
            (out / "batches.md").write_text(table(runs))
            (out / "batches.svg").write_text(drawing(runs))
            console.print(f"{runs[-1].rows:,} rows: {runs[-1].rows_per_second:,} a second")
    console.print((out / "batches.md").read_text(), markup=False, highlight=False)


@contextmanager
def _opened(place: Place) -> Iterator[Target]:
    if place is Place.LOCAL:
        target = local_target()
        with exclusive(target.api_key_file.parent):
            yield target
        return
    settings = read_settings()
    with exclusive(Path(settings["api_key_file"]).parent), kubernetes_target(settings) as target:
        yield target


@app.command()
def compare(
    run: Annotated[Path, typer.Argument(help="A run's folder, for instance out/latest.")],
    baseline: Annotated[Path, typer.Argument(help="The folder of a run of the same kind to compare it with.")],
    worse: Annotated[
        float, typer.Option(min=0, help="How much worse a figure may be, as a share of the baseline's.")
    ] = DEFAULT_WORSE,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison on standard output.")] = False,
) -> None:
    """Compare throughput and latencies of two runs of the same kind.

    Exit code 0: no figure is worse than allowed. 1: one is. 4: the runs are of different kinds, or one is no PASS.
    """
    found = comparison(read_document(run), read_document(baseline), worse=worse)
    print_comparison(Console(stderr=as_json), found)
    if as_json:
        sys.stdout.write(orjson.dumps(found.as_data(), option=orjson.OPT_INDENT_2).decode() + "\n")
    raise typer.Exit(ExitCode.PASSED if found.ok else ExitCode.OBJECTIVE_MISSED)


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="A run's folder, for instance out/latest.")]) -> None:
    """Draw a run's report again from its verdict.json."""
    Console().print(str(write_report(folder, read_document(folder))))


@app.command()
def day(
    folder: Annotated[
        Path, typer.Argument(help="The folder of `make drills`, for instance out/drills/20261201-021400.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print day.json on standard output.")] = False,
) -> None:
    """Draw the page of a day of drills; `make drills` does it at its end."""
    found = read_day(folder)
    Console(stderr=as_json).print(str(write_day(folder, found)), soft_wrap=True)
    if as_json:
        sys.stdout.write(orjson.dumps(found.as_data(), option=orjson.OPT_INDENT_2).decode() + "\n")
