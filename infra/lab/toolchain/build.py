"""Builds a tool once for each state of its go.mod, go.sum and flags, into ~/.cache/millrace/go."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from infra.lab.toolchain import tools
from infra.lab.toolchain.cache import cache, digest, made_once
from infra.lab.toolchain.errors import ToolError, last_lines
from infra.lab.toolchain.go import go, required
from infra.lab.toolchain.progress import step
from infra.lab.toolchain.tools import GoTool
from infra.local.progress import Steps

FOLDER = Path(__file__).parent


def go_tool(name: str, steps: Steps | None = None) -> Path:
    """The program of this name in `tools.TOOLS`, built if it was not.

    Args:
        name: such as "kubeconform".
        steps: the caller's own progress display, if it has one.

    Raises:
        ToolError: Go is missing or could not build it.
    """
    tool = tools.find(name)
    folder = _folder(tool)
    if not folder.is_dir():
        program = go(required((module(tool) / "go.mod").read_text()), steps)
        with step(f"build {name} from its Go module", tool.about_seconds, steps):
            made_once(folder, lambda out: _build(program, tool, out))
    return folder / name


def missing(*names: str) -> tuple[str, ...]:
    """Those of these programs that are not built yet."""
    return tuple(name for name in names if not _folder(tools.find(name)).is_dir())


def _folder(tool: GoTool) -> Path:
    return cache() / "go" / f"{tool.name}-{key(tool)}"


def module(tool: GoTool) -> Path:
    """The folder with the go.mod that pins it."""
    return FOLDER / (tool.folder or tool.name)


def key(tool: GoTool) -> str:
    """Names what the program is built from, and for which machine."""
    folder = module(tool)
    # A small program of ours has its source beside its go.mod.
    pins = (folder / "go.mod", folder / "go.sum", *sorted(folder.rglob("*.go")), *sorted(folder.glob("*/**/go.mod")))
    words = (*arguments(tool), str(tool.cgo), platform.system(), platform.machine())
    return digest((*(pin.read_bytes() for pin in pins), *(word.encode() for word in words)))


def arguments(tool: GoTool) -> tuple[str, ...]:
    """The arguments of `go build` that decide what comes out."""
    tags = (f"-tags={','.join(tool.tags)}",) if tool.tags else ()
    return ("-trimpath", "-buildvcs=false", *tool.flags, *tags, f"-ldflags={tool.ldflags}", tool.package)


def _build(program: Path, tool: GoTool, out: Path) -> None:
    # In a copy: a Go with -mod=mod, from us or in the person's GOFLAGS, writes to go.mod and go.sum.
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(module(tool), Path(folder) / "module"))
        _embed(program, tool, copy)
        _go(program, tool, copy, "build", "-o", str(out / tool.name), *arguments(tool))


def _embed(program: Path, tool: GoTool, copy: Path) -> None:
    """Copy what its main embeds beside it; nothing of it is committed."""
    if tool.embeds is None:
        return
    name, files = tool.embeds
    _go(program, tool, copy, "mod", "download", name)
    folder = Path(_go(program, tool, copy, "list", "-m", "-f", "{{.Dir}}", name).strip())
    for file in files:
        shutil.copyfile(folder / file, copy / Path(file).name)


def _go(program: Path, tool: GoTool, copy: Path, *words: str) -> str:
    done = subprocess.run(  # noqa: S603 - fixed words
        (str(program), *words),
        cwd=copy,
        env={**os.environ, "GOWORK": "off", "CGO_ENABLED": "1" if tool.cgo else "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        msg = f"{tool.name} could not be built from {module(tool)} with {program}:\n{last_lines(done.stderr)}"
        raise ToolError(msg)
    return done.stdout
