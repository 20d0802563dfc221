"""The scenarios in plain Locust, against one stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.locust_process import Locust

pytest_plugins = ["tests.harness.stacks"]


@pytest.fixture
def locust(tmp_path: Path) -> Iterator[Callable[..., Locust]]:
    """Start Locust processes with these words."""
    started: list[Locust] = []

    def start(*words: str, **environment: str) -> Locust:
        process = Locust(tmp_path / f"locust-{len(started)}.log", words, environment)
        started.append(process)
        return process

    yield start
    for process in started:
        process.close()
