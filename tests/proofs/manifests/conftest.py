"""Fixtures of the tests that run kubeconform and checkov."""

from __future__ import annotations

import pytest

from tests.harness.toolchain import require_built


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """Checkov is no Go program: uv installs it in seconds, when it is first asked."""
    require_built("kubeconform")
