"""Stacks of infra/aws on the real engine, each with an account of its own: a server that speaks AWS's protocol."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.toolchain import require_built
from tests.proofs.aws_engine.account import Account, opened


@pytest.fixture(scope="session", autouse=True)
def pulumi() -> None:
    """The engine."""
    require_built("pulumi")


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Staging, which is up."""
    with opened(tmp_path_factory.mktemp("staging"), "staging") as account:
        account.engine.up()
        yield account


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Prod, which is up."""
    with opened(tmp_path_factory.mktemp("prod"), "prod") as account:
        account.engine.up()
        yield account
