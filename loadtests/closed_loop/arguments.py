"""The arguments that the scenarios add to Locust's own; its web UI shows them too."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from locust import events
from locust.argument_parser import LocustArgumentParser

from app import contract
from loadtests.closed_loop.gateway import SettingError
from loadtests.closed_loop.shapes import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What a run was started with."""

    shape: Shape
    step_seconds: float
    pause_seconds: float
    task: str
    body: str
    end_seconds: float

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """From Locust's options, or the form of its web UI.

        Raises:
            SettingError: one of them is not as it must be.
        """
        if options["shape"] not in set(Shape):
            raise SettingError(f"--shape is one of {', '.join(Shape)}, not {options['shape']!r}.")
        return cls(
            shape=Shape(options["shape"]),
            step_seconds=_number(options, "step_seconds", above=0),
            pause_seconds=_number(options, "pause_seconds"),
            task=str(options["task"]).strip(),
            body=str(options["body"] or "").strip(),
            end_seconds=_number(options, "end_seconds"),
        )


def _number(options: Mapping[str, Any], name: str, *, above: float | None = None) -> float:
    try:
        number = float(options[name])
    except ValueError:
        number = -1.0
    if not math.isfinite(number) or number < 0 or (above is not None and number <= above):
        least = "0 or more" if above is None else f"more than {above:g}"
        raise SettingError(f"--{name.replace('_', '-')} is a number of seconds, {least}, not {options[name]!r}.")
    return number


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_arguments(parser: LocustArgumentParser) -> None:
    """Each has a default, from which the web UI takes its type."""
    parser.add_argument(
        "--shape", choices=[str(shape) for shape in Shape], default=str(Shape.STEADY),
        help="Users over time; --users is the most that there are",
    )  # fmt: skip
    parser.add_argument(
        "--step-seconds", type=float, default=60.0,
        help="Length of a step: steps adds a tenth of the users each step, spike is the second step, ramp takes ten",
    )  # fmt: skip
    parser.add_argument("--pause-seconds", type=float, default=0.1, help="How long a user waits between two requests")
    parser.add_argument("--task", default=contract.TASK_INGEST_EVENT, help="What DeclaredTask sends: a task's name")
    parser.add_argument(
        "--body",
        default="",
        help="A JSON file with its item; {{uuid}} in it is new in each request. Left out: its example",
    )
    parser.add_argument(
        "--end-seconds", type=float, default=120.0, help="How long accepted jobs may take to end after the run"
    )
