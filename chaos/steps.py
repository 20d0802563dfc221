"""One command of Docker's: the smallest thing that a drill does to a target, and the smallest that it takes back.

Faults and their ways back are lists of these, so a dry run can show them, and the dead man's switch needs no library.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from chaos.errors import StepFailedError

#: Docker freezes and starts within a second; rabbitmqctl takes some seconds on two busy cores.
_STEP_SECONDS = 60.0
_BETWEEN_SECONDS = 1.0
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command line. It holds no secret: everybody on the machine may read it."""

    command: tuple[str, ...]
    #: A part of what the command says when what it should do is done already.
    already: str = ""

    def __str__(self) -> str:
        """As a person would type it."""
        return " ".join(self.command)

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return {"command": list(self.command), "already": self.already}

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Step:
        """Out of JSON."""
        return cls(command=tuple(data["command"]), already=data["already"])


def docker(*words: str, already: str = "") -> Step:
    """A step of the docker command."""
    return Step(command=("docker", *words), already=already)


def perform(step: Step, *, tries: int = 1) -> str:
    """Run it, again if it fails; returns what it printed.

    Raises:
        StepFailedError: it failed every time.
    """
    said = ""
    for attempt in range(tries):
        if attempt:
            time.sleep(_BETWEEN_SECONDS)
        try:
            done = subprocess.run(  # noqa: S603 - our own commands
                step.command, capture_output=True, text=True, check=False, timeout=_STEP_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            said = str(error)
            continue
        said = (done.stderr or done.stdout).strip()
        if done.returncode == 0 or (step.already and step.already in said):
            return done.stdout.strip()
    raise StepFailedError(f"{step}: {said[-_SHOWN_CHARACTERS:]}")


def perform_all(steps: Iterable[Step], *, tries: int) -> list[str]:
    """Run all of them, also those after one that failed; returns what went wrong."""
    wrong = []
    for step in steps:
        try:
            perform(step, tries=tries)
        except StepFailedError as error:
            wrong.append(error.detail)
    return wrong
