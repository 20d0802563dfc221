"""The one place that runs other programs."""

from __future__ import annotations

import subprocess
from typing import IO

from infra.local.state import REPOSITORY


def run(*command: str, check: bool = False, output: IO[bytes] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, from the repository's root, with nothing to type in.

    Its output is captured, or goes to `output`. Commands are lists of our own words, never a shell's line.
    """
    return subprocess.run(  # noqa: S603 - no shell, and no words of strangers
        command,
        cwd=REPOSITORY,
        check=check,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=output or subprocess.PIPE,
        stderr=output or subprocess.PIPE,
    )


def follow(*command: str) -> int:
    """Run a command on the person's terminal; its exit code."""
    return subprocess.run(command, cwd=REPOSITORY, check=False).returncode  # noqa: S603 - as above
