"""The folder of a day of drills: its plan, the drills that have ended, and its page.

`python -m loadtests day` draws the page, because neither folder imports the other.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chaos.drill import Report, Verdict
from chaos.errors import ExperimentError
from chaos.experiment import Experiment

_PLAN, _DRILL = "plan.json", "drill.json"
_DRAWN_SECONDS = 120


def write_plan(folder: Path, names: Iterable[str], *, seed: int, rate: float) -> None:
    """Write down what is to run, so that the day can go on after an interruption."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _PLAN).write_text(json.dumps({"seed": seed, "rate": rate, "names": list(names)}, indent=2))


def read_plan(folder: Path) -> dict[str, Any]:
    """The plan of the day: `names`, `rate`, `seed`.

    Raises:
        ExperimentError: this is no folder of a day.
    """
    try:
        plan: dict[str, Any] = json.loads((folder / _PLAN).read_text())
        return {name: plan[name] for name in ("names", "rate", "seed")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{folder} is not the folder of `make drills`: {type(error).__name__}: {error}"
        raise ExperimentError(message) from error


def left(folder: Path, names: Iterable[str]) -> list[str]:
    """The experiments that have not run to their end."""
    return [name for name in names if not _ended(folder / name)]


def begin(folder: Path) -> None:
    """Remove what a drill left here that was ended early."""
    shutil.rmtree(folder, ignore_errors=True)


def verdicts(folder: Path) -> list[Verdict]:
    """Of every drill of the day that has ended."""
    return [Verdict(json.loads(file.read_text())["verdict"]) for file in folder.glob(f"*/{_DRILL}")]


def write_drill(folder: Path, experiment: Experiment, report: Report, *, began_at: float) -> None:
    """Write one drill down, with what its experiment says."""
    card = experiment.card
    about = {"title": experiment.title, "promises": card.promises, "kind": card.kind, "began_at": began_at}
    # At once or not at all: a day that goes on reads it.
    written = folder / f"{_DRILL}.part"
    written.write_text(json.dumps({**report.as_data(), **about}, indent=2))
    written.rename(folder / _DRILL)


def draw(folder: Path) -> str:
    """Draw the page; returns a sentence: where it is, or why there is none."""
    command = [sys.executable, "-m", "loadtests", "day", str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1], timeout=_DRAWN_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"There is no page of the day: it was not drawn within {_DRAWN_SECONDS} s."
    except subprocess.CalledProcessError as error:
        return f"There is no page of the day: {(error.stderr or error.stdout).strip().splitlines()[-1]}"
    return f"The page of the day: {done.stdout.strip()}"


def _ended(folder: Path) -> bool:
    file = folder / _DRILL
    return file.is_file() and json.loads(file.read_text())["verdict"] != Verdict.INTERRUPTED
