"""Tells a person what is going on and how long it usually takes: each step's last duration is kept as its estimate."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TaskID, TextColumn
from rich.progress_bar import ProgressBar
from rich.text import Text

from infra.local import files
from infra.local.state import State


class _Clock(TextColumn):
    """`12 s of about 15 s`."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        """The time so far beside the estimate."""
        return Text(
            f"{task.elapsed or 0:.0f} s of about {task.fields['usual']:.0f} s",
            style="dim",
        )


class _Estimate(BarColumn):
    """A bar of elapsed against estimated time, which stops short of the end until the step ends."""

    def render(self, task: Task) -> ProgressBar:
        """Move the bar by the clock."""
        task.total = 100
        task.completed = min(95, 100 * (task.elapsed or 0) / max(task.fields["usual"], 0.1))
        return super().render(task)


class Steps:
    """Runs named steps with a live bar on a terminal, and one line each elsewhere. Safe to use from threads."""

    def __init__(self, state: State, console: Console) -> None:
        """Read what the steps took last time."""
        self._state = state
        self._console = console
        self._lock = threading.Lock()
        self._notes: dict[TaskID, str] = {}
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            _Estimate(bar_width=24),
            _Clock(),
            TextColumn("{task.fields[note]}", style="dim"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        try:
            self._usual: dict[str, float] = json.loads(state.timings.read_text())
        except (OSError, ValueError):
            self._usual = {}

    def __enter__(self) -> Self:
        """Show the bars."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bars away."""
        self._progress.stop()

    @contextmanager
    def step(self, name: str, usual: float) -> Iterator[Note]:
        """One step; `usual` is the estimate, in seconds, for a machine that has not done it yet."""
        expected = self._usual.get(name, usual)
        task = self._progress.add_task(name, usual=expected, note="")
        started = time.monotonic()
        if not self._console.is_terminal:
            self._console.print(f"{name} (about {expected:.0f} s) ...", highlight=False)
        try:
            yield Note(self._progress, task)
        except BaseException:
            self._progress.remove_task(task)
            raise
        seconds = time.monotonic() - started
        self._progress.remove_task(task)
        self._console.print(f"[green]ok[/]  {name} [dim]{seconds:.1f} s[/]", highlight=False)
        self._remember(name, seconds)

    def _remember(self, name: str, seconds: float) -> None:
        with self._lock:
            self._usual[name] = round(seconds, 1)
            files.write(
                self._state.timings,
                json.dumps(self._usual, indent=1, sort_keys=True),
                files.PUBLIC_FILE,
            )


class Note:
    """What a step says of itself while it runs."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        """Belongs to one bar."""
        self._progress = progress
        self._task = task

    def __call__(self, text: str) -> None:
        """Show it beside the bar."""
        self._progress.update(self._task, note=text)
