"""On the deployment of `make staging`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.kubernetes.kubectl import Kubectl
from tests.harness.kubernetes.replicas import Replicas

pytest_plugins = ["tests.harness.kubernetes.plugin"]


@pytest.fixture(scope="session")
def replicas(kubectl: Kubectl) -> Iterator[Replicas]:
    """How many pods the scaled workloads have, from the first test that asks to the last."""
    with Replicas(kubectl) as watched:
        yield watched
