"""Fixtures of the engine tests: stacks of the sample program, each in a folder of its own."""

from __future__ import annotations

import pytest

from tests.harness.toolchain import require_built
from tests.proofs.engine.harness.engine import Engine
from tests.proofs.engine.sample import Sample


@pytest.fixture(scope="session", autouse=True)
def pulumi() -> None:
    """The engine."""
    require_built("pulumi")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A stack that is up. A test that uses it looks, previews, or brings back what it took away."""
    engine = Engine(folder=tmp_path_factory.mktemp("deployed"), program=Sample())
    engine.up()
    return engine
