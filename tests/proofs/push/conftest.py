"""What all of these tests need: the registry's program, a folder each, and no image left in Docker."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.toolchain import require_built
from tests.proofs.push.registries import Server, serving


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """Built before a test's clock runs."""
    require_built("registry")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Half a gigabyte may be in it: pytest would keep those of its last three runs."""
    with tempfile.TemporaryDirectory(prefix="millrace-push-") as path:
        yield Path(path)


@pytest.fixture(scope="module")
def registry() -> Iterator[Server]:
    """Plain HTTP on the loopback interface, which Docker takes."""
    path = Path(tempfile.mkdtemp(prefix="millrace-push-"))
    try:
        with serving(path, settings={}) as server:
            yield server
            forget(server.host)
    finally:
        shutil.rmtree(path)


def forget(host: str) -> None:
    """Take away the names that images have for a registry that is about to end."""
    listed = subprocess.run(
        ("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"{host}/*/*"),
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    if listed:
        subprocess.run(("docker", "image", "rm", *listed), capture_output=True, check=True)
