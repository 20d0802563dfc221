"""A cache of the test's own, and a `go` that is a script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

FakeGo = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is taken from the person's cache, nor left in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MILLRACE_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "cache" / "millrace"


@pytest.fixture
def fake_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """Puts a `go` on PATH that is of a version and builds as it is told; it is the only one there."""

    def put(version: str, *, gotoolchain: str = "auto", build: str = 'echo built > "$3"', module: str = "") -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "go"
        program.write_text(
            "#!/bin/sh\n"
            f'case "$1" in version) echo "go version go{version} linux/amd64";;\n'
            f'env) echo "{gotoolchain}";;\n'
            f"list) echo {module};;\n"
            f"build) {build};;\nesac\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return program

    return put
