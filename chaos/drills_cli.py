"""The commands for experiments: `list`, `drill`, `drills`. `make drill NAME=worker_killed` runs one."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from chaos import day
from chaos.catalogue import as_json, as_markdown, as_text
from chaos.drill import EXIT_CODES, Rate, Report, Verdict, drill as run_drill, worst
from chaos.errors import ChaosError
from chaos.experiment import Experiment, experiments, find
from chaos.injections import held, release

#: Nothing was broken.
EXIT_NOT_BEGUN = 4
_RATE = Rate()

Dry = Annotated[bool, typer.Option("--dry-run", help="Say which commands would run on which containers; run none.")]
Out = Annotated[Path, typer.Option(help="Where the folders of the runs go.")]
Events = Annotated[float, typer.Option("--rate", min=10, help="Events a second of the load.")]


def list_experiments(
    *,
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    markdown: Annotated[bool, typer.Option(help="As the table of docs/drills.md.")] = False,
) -> None:
    """Say what there is: what each breaks, how long, and what it risks."""
    with _reported():
        listed = experiments()
        show = as_json if json_ else as_markdown if markdown else as_text
        sys.stdout.write(show(listed))


def drill(
    name: Annotated[str, typer.Argument(help="An experiment of `list`, or a file of your own (.yaml).")],
    dry_run: Dry = False,
    out: Out = Path("out/drills"),
    rate: Events = _RATE.events,
) -> None:
    """Run one experiment under load. Exit code 0: PASS, 2: FAIL, 3: VOID, 4: it could not begin."""
    with _reported():
        _run([find(name)], dry_run=dry_run, folder=_new(out), rate=rate, keep_going=False)


def drills(
    dry_run: Dry = False,
    out: Out = Path("out/drills"),
    rate: Events = _RATE.events,
    seed: Annotated[int | None, typer.Option(help="The order; without one it is drawn and printed.")] = None,
    keep_going: Annotated[bool, typer.Option(help="Go on after a drill that failed.")] = False,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with this folder: run what has not ended, in its order, at its rate.")
    ] = None,
) -> None:
    """Run all that suit the target, in an order drawn from a seed. It stops at the first that fails."""
    with _reported():
        if resume is not None:
            plan = day.read_plan(resume)
            rest = [find(name) for name in day.left(resume, plan["names"])]
            _run(rest, dry_run=dry_run, folder=resume.resolve(), rate=plan["rate"], keep_going=keep_going)
            return
        chosen = [each for each in experiments() if each.card.nodes <= _nodes()]
        seed = random.SystemRandom().randrange(10_000) if seed is None else seed
        random.Random(seed).shuffle(chosen)  # noqa: S311 - an order, not a secret
        _tell(f"Seed {seed}: {', '.join(each.name for each in chosen)}")
        folder = _new(out)
        if not dry_run:
            held().open()
            day.write_plan(folder, (each.name for each in chosen), seed=seed, rate=rate)
        _run(chosen, dry_run=dry_run, folder=folder, rate=rate, keep_going=keep_going)


def _new(out: Path) -> Path:
    return out.resolve() / f"{datetime.now(UTC):%Y%m%d-%H%M%S}"


def _run(chosen: list[Experiment], *, dry_run: bool, folder: Path, rate: float, keep_going: bool) -> None:
    if dry_run:
        for each in chosen:
            _tell(f"{each.name}: {each.title}, {each.seconds:g} s")
            for line in _steps(each):
                _tell(line)
        return
    held().open()
    reports: list[Report] = []
    try:
        for each in chosen:
            _tell(f"{each.name}: {each.title}, {each.seconds:g} s. {each.card.risk}")
            day.begin(folder / each.name)
            began_at = time.time()
            report = run_drill(each, folder / each.name, Rate(events=rate, singles=min(rate, _RATE.singles)))
            day.write_drill(folder / each.name, each, report, began_at=began_at)
            reports.append(report)
            _tell(report.line())
            if report.verdict is Verdict.INTERRUPTED or (report.verdict is Verdict.FAIL and not keep_going):
                break
    finally:
        if reports:
            with (folder / "summary.md").open("a") as summary:
                summary.writelines(f"- {report.line()}\n" for report in reports)
            _tell(day.draw(folder))
    # Of a day that goes on, the drills of before count, too.
    raise typer.Exit(EXIT_CODES[worst(day.verdicts(folder))])


def _steps(experiment: Experiment) -> Iterator[str]:
    for wanted, queue in zip(experiment.faults, experiment.queues, strict=True):
        for plan in held().plan(wanted, queue):
            yield f"  {plan.what}"
            yield from (f"    does:       {step}" for step in plan.inject)
            yield from (f"    takes back: {step}" for step in plan.undo)


def _nodes() -> int:
    return len(held().management.nodes())


@contextmanager
def _reported() -> Iterator[None]:
    """Print one line and exit with 4 if a drill could not begin; take faults back after Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except ChaosError as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(EXIT_NOT_BEGUN) from error
    except KeyboardInterrupt as error:
        sys.stderr.write("Ended early; what was injected was taken back.\n")
        raise typer.Exit(EXIT_CODES[Verdict.INTERRUPTED]) from error
    finally:
        release()


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
