"""Fixtures of the engine tests: stacks of the sample program, each in a folder of its own."""

from __future__ import annotations

import pytest

from infra.toolchain import go_tool
from tests.proofs.engine.harness.engine import Engine
from tests.proofs.engine.sample import Sample


def pytest_collection_modifyitems() -> None:
    """Build the CLI before the clock of any test runs: the first time takes minutes."""
    go_tool("pulumi")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A stack that is up. A test that uses it only looks, or previews."""
    engine = Engine(folder=tmp_path_factory.mktemp("deployed"), program=Sample())
    engine.up()
    return engine
