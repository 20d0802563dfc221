"""Runs suites one after the other; a failed one does not keep the others from running. The end is a table."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.suites.table import Suite

REPOSITORY = Path(__file__).parents[2]
RESULTS = REPOSITORY / ".millrace" / "logs" / "suites"
#: A suite that takes so much longer than usual hangs; with the least that each may take.
PATIENCE, LEAST_SECONDS = 4.0, 900.0
#: What a hanging suite has to name the tests that are red so far and to remove its containers.
FAREWELL_SECONDS = 90.0
#: pytest's closing line: `3 failed, 90 passed in 12.3s`.
_CLOSING = re.compile(r"\b(passed|failed|errors?)\b.* in [\d.]+s\b")
_COUNT = re.compile(r"(\d+) (passed|failed|error)")
#: What tests/conftest.py says of a red test when it ends.
_RED = re.compile(r"^red in .*$", re.MULTILINE)
_RED_SHOWN = 6


class End(StrEnum):
    """How a suite ended."""

    PASSED = "passed"
    FAILED = "failed"
    LEFT_OUT = "left out"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One line of the table, and of results.jsonl."""

    suite: str
    end: End
    seconds: float = 0.0
    tests_passed: int = 0
    tests_failed: int = 0
    #: The command that failed, or why it was not run.
    why: str = ""


def run(
    suites: Sequence[Suite], console: Console, *, fits: Callable[[Suite, float], bool] = lambda _suite, _elapsed: True
) -> list[Result]:
    """Run those that fit, in this order; `fits` is asked with the seconds since the beginning before each."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    began_at = time.monotonic()
    results = []
    with (RESULTS / "results.jsonl").open("w") as file, _beforehand(suites, console) as wait:
        for number, suite in enumerate(suites, start=1):
            if fits(suite, time.monotonic() - began_at):
                console.rule(f"{number} of {len(suites)}: {suite.name}, about {suite.seconds} s", align="left")
                wait(suite)
                result = _run(suite)
            else:
                result = Result(suite=suite.name, end=End.LEFT_OUT, why=suite.not_in_ci or "there is no time for it")
            results.append(result)
            file.write(json.dumps(asdict(result)) + "\n")
            file.flush()
    show(results, console)
    return results


@contextlib.contextmanager
def _beforehand(suites: Sequence[Suite], console: Console) -> Iterator[Callable[[Suite], None]]:
    """Begin what suites let be made beforehand; what is yielded waits for that of a suite, however it ends.

    On a new machine images take three minutes, half of them in downloads; the unit tests need none.
    """
    under_way: dict[str, list[subprocess.Popen[bytes]]] = defaultdict(list)

    def wait(suite: Suite) -> None:
        for process in under_way[suite.name]:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LEAST_SECONDS)
            _end(process)

    try:
        for suite in suites:
            for command in suite.beforehand:
                log = RESULTS / f"{suite.name}.beforehand.log"
                console.print(f"meanwhile, for {suite.name}: {' '.join(command)} > {log}", soft_wrap=True)
                with log.open("ab") as file:
                    # The suites that run now come first.
                    process = subprocess.Popen(
                        ("nice", *command), cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                        start_new_session=True,
                    )  # fmt: skip
                under_way[suite.name].append(process)
        yield wait
    finally:
        for process in itertools.chain.from_iterable(under_way.values()):
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt it, and kill it if it does not end by that."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(FAREWELL_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _run(suite: Suite) -> Result:
    began_at = time.monotonic()
    log = RESULTS / f"{suite.name}.log"
    deadline = began_at + max(LEAST_SECONDS, PATIENCE * suite.seconds)
    why = ""
    with log.open("wb") as file:
        for command in suite.commands:
            if why := _follow(command, file.write, deadline):
                break
    counts = _counts(log)
    return Result(
        suite=suite.name,
        end=End.FAILED if why else End.PASSED,
        seconds=round(time.monotonic() - began_at, 1),
        tests_passed=counts.get("passed", 0),
        tests_failed=counts.get("failed", 0) + counts.get("error", 0),
        why=why,
    )


def _follow(command: Sequence[str], write: Callable[[bytes], object], deadline: float) -> str:
    """Run a command and show what it says, dot by dot; returns what went wrong."""
    hung = threading.Event()
    with subprocess.Popen(
        command, cwd=REPOSITORY, env={**os.environ, "PYTHONUNBUFFERED": "1"}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, bufsize=0,
    ) as process:  # fmt: skip

        def interrupt() -> None:
            hung.set()
            os.killpg(process.pid, signal.SIGINT)

        def kill() -> None:
            os.killpg(process.pid, signal.SIGKILL)

        left_seconds = max(0.0, deadline - time.monotonic())
        timers = [threading.Timer(left_seconds, interrupt), threading.Timer(left_seconds + FAREWELL_SECONDS, kill)]
        for timer in timers:
            timer.start()
        try:
            assert process.stdout is not None
            while said := process.stdout.read(4096):
                write(said)
                sys.stdout.buffer.write(said)
                sys.stdout.buffer.flush()
            process.wait()
        except BaseException:
            # An interrupt is passed on and waited for: the suite has containers to remove.
            os.killpg(process.pid, signal.SIGINT)
            process.wait()
            raise
        finally:
            for timer in timers:
                timer.cancel()
    if hung.is_set():
        return f"hung, and was ended: {' '.join(command)}"
    return f"exit code {process.returncode}: {' '.join(command)}" if process.returncode else ""


def _counts(log: Path) -> dict[str, int]:
    """Tests by how they ended, from pytest's closing lines."""
    counts: Counter[str] = Counter()
    for line in log.read_text(errors="replace").splitlines():
        if _CLOSING.search(line):
            counts.update({word: int(number) for number, word in _COUNT.findall(line)})
    return counts


def show(results: Sequence[Result], console: Console) -> None:
    """The table at the end; what was left out is in it by name."""
    table = Table(title="Suites")
    for column in ("suite", "", "seconds", "passed", "failed", "why"):
        table.add_column(column, justify="right" if column in {"seconds", "passed", "failed"} else "left")
    for each in results:
        colour = {End.PASSED: "green", End.FAILED: "red", End.LEFT_OUT: "yellow"}[each.end]
        numbers = (f"{each.seconds:.0f}", f"{each.tests_passed}", f"{each.tests_failed}")
        shown = ("", "", "") if each.end is End.LEFT_OUT else numbers
        table.add_row(each.suite, f"[{colour}]{each.end}[/]", *shown, each.why)
    console.print(table)
    failed = [each.suite for each in results if each.end is End.FAILED]
    for name in failed:
        # Of a long log the last lines alone may be kept: what is red is said there, too.
        red = list(dict.fromkeys(_RED.findall((RESULTS / f"{name}.log").read_text(errors="replace"))))
        for line in red[:_RED_SHOWN]:
            console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    if failed:
        console.print(f"[red]failed: {', '.join(failed)}[/]; their output is in {RESULTS}", highlight=False)
