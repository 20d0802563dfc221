"""The folder of programs that the engine finds on PATH where Pulumi is not installed: the CLI, and its plugins."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.lab.toolchain import go_tool
from infra.lab.toolchain.cache import cache
from infra.local.progress import Steps

REPOSITORY = Path(__file__).parents[3]
KUBERNETES = "pulumi-resource-kubernetes"
LANGUAGE = "pulumi-language-python"
#: Each with its module.
STAND_INS: Mapping[str, str] = {
    LANGUAGE: "infra.lab.plugins.language",
    "pulumi-resource-random": "infra.lab.plugins.randomness",
    "pulumi-resource-aws": "infra.lab.aws.provider",
}
#: Where somebody has these, they have Pulumi.
_INSTALLED = ("pulumi", LANGUAGE)


def installed() -> bool:
    """Whether this machine has a Pulumi with its own plugins, which it then downloads as it needs them."""
    return all(map(shutil.which, _INSTALLED))


def folder() -> Path:
    """Of this checkout; `bin` as the SDK wants it."""
    return cache() / "pulumi" / REPOSITORY.as_posix().strip("/").replace("/", "-") / "bin"


def environment(steps: Steps | None = None) -> dict[str, str]:
    """What lets `pulumi` be found, with its plugins: nothing where it is installed."""
    if installed():
        return {}
    install(folder(), STAND_INS)
    for name in ("pulumi", KUBERNETES):
        link(folder(), name, go_tool(name, steps))
    path = os.pathsep.join((str(folder()), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    return {"PATH": path, "PYTHONPATH": str(REPOSITORY), "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"}


def install(place: Path, stand_ins: Mapping[str, str]) -> None:
    """Write a script for each stand-in."""
    place.mkdir(parents=True, exist_ok=True)
    for name, module in stand_ins.items():
        text = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -u -m {module} "$@"\n'
        script = place / name
        if not script.is_file() or script.read_text() != text:
            # Another process may run the script that is there.
            new = place / f".{name}.{os.getpid()}"
            new.write_text(text)
            new.chmod(0o755)
            new.replace(script)


def link(place: Path, name: str, program: Path) -> None:
    """A program of the toolchain, under its own name."""
    found = place / name
    if not found.is_symlink() or found.readlink() != program:
        new = place / f".{name}.{os.getpid()}"
        new.symlink_to(program)
        new.replace(found)
