"""On the deployment of `make staging`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.harness.kubernetes.kubectl import Kubectl
from tests.harness.kubernetes.replicas import Replicas
from tests.harness.waiting import eventually

#: Two pods a workload; to let one go, scalers look back 300 s, and they begin within a minute of each other.
_SMALLEST, _REST_SECONDS = 2, 420.0

pytest_plugins = ["tests.harness.kubernetes.plugin"]


@pytest.fixture(scope="session")
def replicas(kubectl: Kubectl) -> Iterator[Replicas]:
    """How many pods the scaled workloads have, from the first test that asks to the last.

    Afterwards it waits until the additional pods have gone: the suite that comes next looks at pods that stay. Where
    even idle pods use too much for that, none goes later either.
    """
    with Replicas(kubectl) as watched:
        yield watched
        with contextlib.suppress(AssertionError):
            eventually(
                lambda: max(watched.now().values()) <= _SMALLEST,
                within=_REST_SECONDS, every=3.0, what="additional pods go", tolerate=(AssertionError,),
            )  # fmt: skip
