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


def write_plan(folder: Path, names: Iterable[str], *, seed: int, rate: float) -> None:
    """Write down what is to run, so that the day can go on after an interruption."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _PLAN).write_text(json.dumps({"seed": seed, "rate": rate, "names": list(names)}, indent=2))


def read_plan(folder: Path) -> dict[str, Any]:
    """What was to run.

    Raises:
        ExperimentError: this is no folder of a day.
    """
    try:
        plan: dict[str, Any] = json.loads((folder / _PLAN).read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise ExperimentError(f"{folder} is not the folder of `make drills`: {error}") from error
    return plan


def left(folder: Path, names: Iterable[str]) -> list[str]:
    """The experiments that have not run to their end. What a drill left that was ended early is removed."""
    rest = [name for name in names if not _ended(folder / name)]
    for name in rest:
        shutil.rmtree(folder / name, ignore_errors=True)
    return rest


def write_drill(folder: Path, experiment: Experiment, report: Report, *, began_at: float) -> None:
    """Write one drill down, with what its experiment says."""
    card = experiment.card
    about = {"title": experiment.title, "promises": card.promises, "kind": card.kind, "began_at": began_at}
    (folder / _DRILL).write_text(json.dumps({**report.as_data(), **about}, indent=2))


def draw(folder: Path) -> str:
    """Draw the page; returns where it is, or why there is none."""
    command = [sys.executable, "-m", "loadtests", "day", str(folder)]
    done = subprocess.run(  # noqa: S603 - our own command
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1]
    )
    return (done.stdout + done.stderr).strip()


def _ended(folder: Path) -> bool:
    file = folder / _DRILL
    return file.is_file() and json.loads(file.read_text())["verdict"] != Verdict.INTERRUPTED
