"""A local stack with a name, ports and data of its own, and a shell for the commands of the pages."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from infra.local.state import REPOSITORY
from tests.harness.ports import free_port

PORTS = (
    "AMQPS_1", "AMQPS_2", "AMQPS_3", "MANAGEMENT_1", "MANAGEMENT_2", "MANAGEMENT_3", "POSTGRESQL", "REDIS", "S3",
    "GATEWAY", "FLOWER", "PROMETHEUS",
)  # fmt: skip
WITHIN_SECONDS = 600
Shell = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of the stack's commands."""
    root = tmp_path_factory.mktemp("runbooks")
    # The containers' user must reach the secrets below.
    for part in (root, root.parent):
        part.chmod(0o711)
    own = {f"MILLRACE_PORT_{name}": str(free_port()) for name in PORTS}
    return {**os.environ, **own, "MILLRACE_PROJECT": "millrace-runbooks", "MILLRACE_STATE_DIR": str(root / "state")}


@pytest.fixture(scope="session")
def shell(variables: dict[str, str]) -> Iterator[Shell]:
    """Runs a command of a page, as a person would who works with this stack."""
    run = partial(
        subprocess.run,
        cwd=REPOSITORY, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WITHIN_SECONDS,
        check=False,
    )  # fmt: skip

    def ran(command: str) -> subprocess.CompletedProcess[str]:
        return run(["bash", "-c", command])

    try:
        up = ran(".venv/bin/python -m infra.local up")
        assert up.returncode == 0, up.stdout + up.stderr
        yield ran
    finally:
        ran(".venv/bin/python -m infra.local down --purge")
