"""Fixtures of the tests on a cluster that runs: they look at it, whoever made it, and leave it as it was."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter

from chaos.kubernetes_target import KubernetesTarget
from infra.settings.load import parse, read_stack_file
from infra.settings.stack import Stack
from tests.proofs.e2e.harness.doors import ports_of
from tests.proofs.e2e.harness.ends import End, running_pods, wanted_probes
from tests.proofs.e2e.harness.kubectl import Kubectl
from tests.proofs.e2e.harness.matrix import Matrix, source_names
from tests.proofs.e2e.harness.outside import outside
from tests.proofs.e2e.harness.probe_pods import ProbePods
from tests.proofs.e2e.harness.replicas import Replicas
from tests.proofs.e2e.harness.target import FILE, REPOSITORY, Target

_ORDER = (
    "test_connections",
    "test_plain_text",
    "test_service_accounts",
    "test_public_face",
    "test_budgets",
    "test_scaling",
    "test_campaign",
    "test_lifecycle",
)
#: What a run has to say besides red and green.
_SAID = pytest.StashKey[list[str]]()


def read_stack() -> Stack:
    """The settings of the deployed stack."""
    path = REPOSITORY / os.environ["MILLRACE_STACK_FILE"]
    return parse(read_stack_file(Path(path)), str(path))


def pytest_configure(config: pytest.Config) -> None:
    """What `make staging` wrote says which cluster, and which settings were deployed to it."""
    config.stash[_SAID] = []
    if not FILE.is_file():
        raise pytest.UsageError(f"{FILE} is not there: run `make staging` first")
    said = json.loads(FILE.read_text())
    os.environ["MILLRACE_STACK_FILE"] = said["stack_file"]
    for variable, value in (("KUBECONFIG", said.get("kubeconfig")), ("MILLRACE_CONTEXT", said.get("context"))):
        if value:
            os.environ[variable] = value


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What only looks comes first, then what breaks, and last what removes."""
    items.sort(key=lambda item: _ORDER.index(item.path.stem))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each kind of pod, so that a failure names it."""
    if "source_name" in metafunc.fixturenames:
        metafunc.parametrize("source_name", source_names(read_stack()))
    if "component" in metafunc.fixturenames:
        metafunc.parametrize("component", sorted(ports_of(read_stack())))


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    """The numbers behind the dots."""
    for line in config.stash[_SAID]:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """A line for the end of the run."""
    return pytestconfig.stash[_SAID].append


@pytest.fixture(scope="session")
def kubectl() -> Kubectl:
    """The cluster of KUBECONFIG, and of MILLRACE_CONTEXT if that is set."""
    return Kubectl.found(os.environ.get("MILLRACE_CONTEXT"))


@pytest.fixture(scope="session")
def kubernetes() -> KubernetesTarget:
    """The same, through its API, as the drills see it."""
    return KubernetesTarget.connect()


@pytest.fixture(scope="session")
def stack() -> Stack:
    """The settings of the deployed stack, from MILLRACE_STACK_FILE."""
    return read_stack()


@pytest.fixture(scope="session")
def target() -> Target:
    """How the gateway is reached; written by `make staging`."""
    try:
        return Target.read()
    except AssertionError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def replicas(kubectl: Kubectl) -> Iterator[Replicas]:
    """How many pods the scaled workloads have, from the first test that asks to the last."""
    with Replicas(kubectl) as watched:
        yield watched


@pytest.fixture(scope="session")
def ends(kubectl: Kubectl, stack: Stack) -> Iterator[tuple[End, ...]]:
    """Every kind of pod, those that do not run now as probe pods, strangers, and what is outside."""
    running = running_pods(kubectl, stack)
    with ProbePods(kubectl, wanted_probes(stack, running)) as probes, ThreadPoolExecutor(6) as pool:
        seen = tuple(pool.map(lambda end: end.with_listeners(kubectl), running))
        yield (*seen, *probes.ends(), *outside(kubectl, stack))


@pytest.fixture(scope="session")
def matrix(kubectl: Kubectl, stack: Stack, ends: tuple[End, ...], say: Callable[[str], None]) -> Matrix:
    """All pairs, tried once."""
    made = Matrix.probed(kubectl, stack, ends)
    say(made.summary())
    return made
