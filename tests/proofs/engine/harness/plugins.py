"""The folder of programs that the engine finds on PATH: the lab's, but a stand-in for Kubernetes too."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from infra.lab.plugins.programs import KUBERNETES, LANGUAGE, REPOSITORY, STAND_INS, install as install_stand_ins, link
from infra.lab.toolchain import go_tool

#: Where sh and Python's own programs are; a Pulumi that somebody installed is not among them.
_SYSTEM = ("/usr/bin", "/bin")


#: Starts policy packs where no language plugin is found, with the stack's settings in their environment. The engine
#: passes the pack's runtime options on, which are not for it.
_ANALYZER = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -u -m pulumi.policy "$1" "$2"\n'


def install(root: Path, *, language: bool) -> Path:
    """Makes `root/bin`, with a language plugin for a project's own program; returns it."""
    folder = root / "bin"
    wanted = {name: module for name, module in STAND_INS.items() if language or name != LANGUAGE}
    install_stand_ins(folder, {**wanted, KUBERNETES: "tests.proofs.engine.harness.kubernetes"})
    link(folder, "pulumi", go_tool("pulumi"))
    script = folder / "pulumi-analyzer-policy-python"
    script.write_text(_ANALYZER)
    script.chmod(0o755)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """What lets the engine find the programs and the programs find the stand-ins."""
    path = (str(folder), str(Path(sys.executable).parent), *_SYSTEM)
    return {"PATH": os.pathsep.join(path), "PYTHONPATH": str(REPOSITORY)}
