"""The folder of programs that the engine finds on PATH: the CLI itself and the stand-ins for its plugins."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from infra.toolchain import go_tool

REPOSITORY = Path(__file__).parents[4]
#: Each with its module and the arguments of the engine that it takes. The last starts policy packs: in a release the
#: language plugin does, and the engine knows both ways. It passes the pack's runtime options on, which are not for it.
_PLUGINS = {
    "pulumi-resource-kubernetes": ("tests.proofs.engine.harness.kubernetes", '"$@"'),
    "pulumi-resource-random": ("tests.proofs.engine.harness.randomness", '"$@"'),
    "pulumi-analyzer-policy-python": ("pulumi.policy", '"$1" "$2"'),
}
#: Where sh and Python's own programs are; a Pulumi that somebody installed is not among them.
_SYSTEM = ("/usr/bin", "/bin")


def install(root: Path) -> Path:
    """Makes `root/bin`; returns it."""
    folder = root / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "pulumi"
    if not link.exists():
        link.symlink_to(go_tool("pulumi"))
    for name, (module, arguments) in _PLUGINS.items():
        script = folder / name
        script.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -u -m {module} {arguments}\n")
        script.chmod(0o755)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """What lets the engine find the programs and the programs find the stand-ins."""
    path = (str(folder), str(Path(sys.executable).parent), *_SYSTEM)
    return {"PATH": os.pathsep.join(path), "PYTHONPATH": str(REPOSITORY)}
