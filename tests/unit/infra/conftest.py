"""The stacks, rendered once a session for all who look at them: a render takes more than a second of the processor."""

from __future__ import annotations

import pytest

from tests.unit.infra.stacks import STACKS, Rendered, config_of, render


@pytest.fixture(scope="session")
def both() -> dict[str, Rendered]:
    """Both stacks."""
    return {name: render(name, config_of(name)) for name in STACKS}


@pytest.fixture(scope="session", params=STACKS)
def rendered(request: pytest.FixtureRequest, both: dict[str, Rendered]) -> Rendered:
    """Each stack in turn."""
    return both[request.param]
