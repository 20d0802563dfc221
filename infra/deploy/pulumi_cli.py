"""The Pulumi CLI, where there is one that can run this program."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import yaml

from infra.render.program import REPOSITORY

#: The CLI starts our program through the second, which a CLI built from source does not bring.
PROGRAMS = ("pulumi", "pulumi-language-python")
KUBECONFIG = "~/.kube/config"


class Engine(StrEnum):
    """Who deploys."""

    AUTO = "auto"
    PULUMI = "pulumi"
    DIRECT = "direct"


def missing() -> tuple[str, ...]:
    """What would be needed, and is not on PATH."""
    return tuple(program for program in PROGRAMS if shutil.which(program) is None)


def chosen(wish: Engine, *, deployed_directly: bool) -> Engine:
    """Who deploys: whoever did it before has the passwords. Otherwise Pulumi, where it is there."""
    if wish is not Engine.AUTO:
        return wish
    return Engine.DIRECT if deployed_directly or missing() else Engine.PULUMI


def run(verb: str, stack: str, context: str | None, options: Sequence[str] = ()) -> int:
    """`pulumi VERB -s STACK`; its exit code. It asks before it changes anything, if there is somebody to ask."""
    environment = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        if context is not None:
            # Of several files the first that names a context wins; the stack's settings stay as they are.
            first = Path(folder) / "context"
            first.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": context}))
            rest = environment.get("KUBECONFIG") or str(Path(KUBECONFIG).expanduser())
            environment["KUBECONFIG"] = os.pathsep.join((str(first), rest))
        command = ["pulumi", verb, "-s", stack, *options]
        return subprocess.run(command, cwd=REPOSITORY, env=environment, check=False).returncode  # noqa: S603
