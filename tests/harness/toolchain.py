"""Go programs that a suite needs are built before it: building one takes minutes, and a test's clock runs."""

from __future__ import annotations

import pytest

from infra.lab.toolchain import missing


def require_built(*names: str) -> None:
    """Fail, with the command that builds them, unless they are there."""
    if absent := missing(*names):
        pytest.fail(f"not built: run `.venv/bin/python -m infra.lab.toolchain {' '.join(absent)}` first", pytrace=False)
