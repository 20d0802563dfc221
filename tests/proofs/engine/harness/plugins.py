"""The folder of programs that the engine finds on PATH: the lab's, but a stand-in for Kubernetes too."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from infra.lab.plugins.programs import KUBERNETES, REPOSITORY, STAND_INS, install as install_stand_ins, link
from infra.toolchain import go_tool

#: Where sh and Python's own programs are; a Pulumi that somebody installed is not among them.
_SYSTEM = ("/usr/bin", "/bin")


def install(root: Path) -> Path:
    """Makes `root/bin`; returns it."""
    folder = root / "bin"
    install_stand_ins(folder, {**STAND_INS, KUBERNETES: "tests.proofs.engine.harness.kubernetes"})
    link(folder, "pulumi", go_tool("pulumi"))
    return folder


def environment(folder: Path) -> dict[str, str]:
    """What lets the engine find the programs and the programs find the stand-ins."""
    path = (str(folder), str(Path(sys.executable).parent), *_SYSTEM)
    return {"PATH": os.pathsep.join(path), "PYTHONPATH": str(REPOSITORY)}
