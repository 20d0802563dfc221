"""The core: what only looks at the deployment, a killed broker, and its removal. It leaves the rest as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.settings.stack import Stack
from tests.harness.kubernetes.doors import ports_of
from tests.harness.kubernetes.ends import End, running_pods, wanted_probes
from tests.harness.kubernetes.kubectl import Kubectl
from tests.harness.kubernetes.matrix import Matrix, source_names
from tests.harness.kubernetes.outside import outside
from tests.harness.kubernetes.probe_pods import ProbePods
from tests.harness.kubernetes.target import read_stack
from tests.harness.waiting import eventually

pytest_plugins = ["tests.harness.kubernetes.plugin"]

_ORDER = (
    "test_connections",
    "test_plain_text",
    "test_service_accounts",
    "test_public_face",
    "test_connect",
    "test_killed_broker",
    "test_destroy",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What only looks comes first, then what breaks, and last what removes."""
    items.sort(key=lambda item: _ORDER.index(item.path.stem) if item.path.stem in _ORDER else -1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each kind of pod, so that a failure names it."""
    if "source_name" in metafunc.fixturenames:
        metafunc.parametrize("source_name", source_names(read_stack()))
    if "component" in metafunc.fixturenames:
        metafunc.parametrize("component", sorted(ports_of(read_stack())))


@pytest.fixture(scope="module")
def ends(kubectl: Kubectl, stack: Stack) -> Iterator[tuple[End, ...]]:
    """Every kind of pod, those that do not run now as probe pods, strangers, and what is outside.

    The probe pods end with the module that asks: `test_destroy` demands that no pod is left.
    """
    with ThreadPoolExecutor(6) as pool:
        # Again, if a scaler took one of them away meanwhile.
        running = eventually(
            lambda: tuple(pool.map(lambda end: end.with_listeners(kubectl), running_pods(kubectl, stack))),
            what="pods say where they listen", tolerate=(AssertionError,),
        )  # fmt: skip
    with ProbePods(kubectl, wanted_probes(stack, running)) as probes:
        yield (*running, *probes.ends(), *outside(kubectl, stack))


@pytest.fixture(scope="module")
def matrix(kubectl: Kubectl, stack: Stack, ends: tuple[End, ...], say: Callable[[str], None]) -> Matrix:
    """All pairs, tried once."""
    made = Matrix.probed(kubectl, stack, ends)
    say(made.summary())
    return made
