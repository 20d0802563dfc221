"""The steps of the toolchain are told on stderr, so that what a command prints stays clean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from infra.local import files
from infra.local.progress import Steps
from infra.local.state import State


@contextmanager
def step(name: str, usual: float, steps: Steps | None = None) -> Iterator[None]:
    """One step with its estimate: among the caller's steps, or by itself."""
    if steps is not None:
        with steps.step(name, usual):
            yield
        return
    state = State.default()
    files.folder(state.root, files.PUBLIC_FOLDER)
    with Steps(state, Console(stderr=True, soft_wrap=True)) as own, own.step(name, usual):
        yield
