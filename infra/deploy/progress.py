"""What a person sees while it goes on: steps with an estimate, and a line for each object that changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console

from infra.deploy.plan import Action, Step
from infra.local import files
from infra.local.progress import Steps
from infra.local.state import State

STYLES = {
    Action.CREATE: "green",
    Action.CHANGE: "yellow",
    Action.REPLACE: "yellow",
    Action.PRUNE: "red",
    Action.REMOVE: "red",
    Action.UNCHANGED: "dim",
}


class Progress:
    """Of one command on one stack: each has estimates of its own."""

    def __init__(self, console: Console, title: str) -> None:
        """Estimates are kept in the checkout's state."""
        self._console = console
        self._title = title
        state = State.default()
        files.folder(state.root, files.PUBLIC_FOLDER)
        self._steps = Steps(state, console)

    def __enter__(self) -> Self:
        """Show it."""
        self._steps.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Take the bars away."""
        self._steps.__exit__(*error)

    @contextmanager
    def step(self, name: str, usual: float) -> Iterator[Callable[[str], None]]:
        """One step; what it yields shows a note beside the bar."""
        with self._steps.step(f"{self._title}: {name}", usual) as note:
            yield note

    def did(self, step: Step) -> None:
        """Say what was done to an object, if anything."""
        if step.action is not Action.UNCHANGED:
            show(self._console, step)


def show(console: Console, step: Step) -> None:
    """One line an object, one below it for each field that changes."""
    console.print(f"  [{STYLES[step.action]}]{step.action:<9}[/] ", end="")
    console.print(str(step.ref), markup=False, highlight=False)
    for one in step.differences:
        console.print(f"              {one.path}: {one.before or '-'} -> {one.after or '-'}", style="dim", markup=False)
