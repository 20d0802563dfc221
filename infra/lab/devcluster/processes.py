"""Finds the processes of a cluster by the mark in their environment, and ends what nobody watches any more."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from infra.lab.devcluster.programs import MARK
from infra.lab.devcluster.waiting import until

END_SECONDS = 30


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        # It has ended, or is another user's.
        return b""


def _alive(process: Path) -> bool:
    status = _read(process / "stat").rpartition(b")")[2].split()
    return bool(status) and status[0] != b"Z"


def marked(root: Path, *, only: str = "") -> tuple[int, ...]:
    """The living processes that carry this root's mark; with `only`, those with this word in their command."""
    mark = f"{MARK}={root}".encode()

    def found() -> Iterator[int]:
        for process in Path("/proc").iterdir():
            if not process.name.isdecimal() or int(process.name) == os.getpid():
                continue
            ours = mark in _read(process / "environ").split(b"\0") and only.encode() in _read(process / "cmdline")
            if ours and _alive(process):
                yield int(process.name)

    return tuple(found())


def end(root: Path) -> None:
    """Kill them. The supervisor goes first, or it would start the others again."""
    for only in ("supervisord", ""):
        for process in marked(root, only=only):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        until(f"the processes of {root} are gone", partial(_none, root, only), END_SECONDS)


def _none(root: Path, only: str) -> bool:
    return not marked(root, only=only)
