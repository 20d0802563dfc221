"""The image of somebody else, built as docs/tasks.md says, and a stack that runs it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.state import REPOSITORY
from tests.harness import images
from tests.harness.page import read, write
from tests.harness.stack import Stack
from tests.harness.stacks import session_stack

PAGE = REPOSITORY / "docs" / "tasks.md"
ACME = Path(__file__).parent / "acme"


@pytest.fixture(scope="session")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that runs the image."""
    context = tmp_path_factory.mktemp("acme")
    write(read(PAGE, "Dockerfile"), context)
    shutil.copytree(ACME, context / "acme", ignore=shutil.ignore_patterns("__pycache__"))
    ours, own = images.reference("APP"), "millrace-test-acme:latest"
    build = ["docker", "build", "--tag", own, "--build-arg", f"MILLRACE={ours}", str(context)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    try:
        for stack in session_stack(tmp_path_factory, "acme", image=own):
            stack.ensure()
            yield stack
    finally:
        subprocess.run(["docker", "image", "rm", "--force", own], capture_output=True, check=False)
