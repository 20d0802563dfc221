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
#: Packages of tasks: the one that runs, and two releases of another.
PACKAGES = ("acme", "acme_old", "acme_new")


@pytest.fixture(scope="session")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that runs the image."""
    context = tmp_path_factory.mktemp("acme")
    write(read(PAGE, "Dockerfile"), context)
    for package in PACKAGES:
        source = Path(__file__).parent / package
        shutil.copytree(source, context / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (context / "Dockerfile").open("a") as dockerfile:
        dockerfile.writelines(f"COPY {package} /opt/millrace/{package}\n" for package in PACKAGES[1:])
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
