"""A locked Python project of its own: for tools whose requirements must not mix with ours."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from infra.lab.toolchain.cache import cache, digest
from infra.lab.toolchain.errors import ToolError, last_lines
from infra.lab.toolchain.progress import step
from infra.local.progress import Steps


def environment(project: Path, name: str, about_seconds: int, steps: Steps | None = None) -> Path:
    """The virtual environment of this project's uv.lock, installed if it was not.

    uv installs under a lock of its own and mends what an interrupted run left, so that it is asked each time: 0.1 s.
    """
    lock = (project / "uv.lock").read_bytes()
    folder = cache() / "python" / f"{name}-{digest((lock, (project / 'pyproject.toml').read_bytes()))}"
    if (folder / ".complete").exists():
        _sync(project, folder)
        return folder
    with step(f"install {name} from its uv.lock", about_seconds, steps):
        _sync(project, folder)
        (folder / ".complete").touch()
    return folder


def uv() -> str:
    """The uv on PATH, or the one that bootstrap.sh put into the cache.

    Raises:
        ToolError: there is none.
    """
    found = shutil.which("uv") or shutil.which("uv", path=cache() / "uv" / "bin")
    if not found:
        raise ToolError("uv is missing: infra/local/bootstrap.sh installs it")
    return found


def _sync(project: Path, folder: Path) -> None:
    done = subprocess.run(  # noqa: S603 - fixed words
        (uv(), "sync", "--frozen", "--no-install-project", "--project", str(project)),
        env={**_without_our_venv(), "UV_PROJECT_ENVIRONMENT": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ToolError(f"uv could not install {project}/uv.lock:\n{last_lines(done.stderr)}")


def _without_our_venv() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}}
