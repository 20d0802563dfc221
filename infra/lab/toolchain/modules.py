"""Go modules as archives of files: their API descriptions and CRDs are pinned like the programs, and need no site."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from infra.lab.toolchain.errors import ToolError, last_lines
from infra.lab.toolchain.go import FETCHES_TOOLCHAINS, go
from infra.lab.toolchain.progress import step
from infra.local.progress import Steps


@dataclass(frozen=True)
class GoModule:
    """A module at one version; `sum` is what go.sum would say of its files."""

    path: str
    version: str
    sum: str

    def __str__(self) -> str:
        """As Go writes it."""
        return f"{self.path}@{self.version}"


def go_module(module: GoModule, steps: Steps | None = None) -> Path:
    """The folder with the module's files, downloaded into Go's own module cache if it was not there.

    Raises:
        ToolError: it cannot be had, or is not the one that is pinned.
    """
    program = go(FETCHES_TOOLCHAINS, steps)
    with step(f"fetch {module}", 5, steps):
        # From /, because inside a module Go would also ask whether that module's go.sum knows this one.
        done = subprocess.run(  # noqa: S603 - fixed words
            (str(program), "mod", "download", "-json", str(module)),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
    said = json.loads(done.stdout or "{}")
    if done.returncode or "Dir" not in said:
        raise ToolError(f"{module} could not be downloaded:\n{last_lines(said.get('Error') or done.stderr)}")
    if said["Sum"] != module.sum:
        raise ToolError(f"{module} is not what is pinned: its files sum to {said['Sum']}, not {module.sum}")
    return Path(said["Dir"])
