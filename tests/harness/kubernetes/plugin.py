"""A pytest plugin for tests on a deployment that runs, whoever made it: fixtures, and the logs of what went red.

A folder of tests asks for it by `pytest_plugins` in its conftest.py. It knows the cluster by its kubeconfig only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from _pytest.terminal import TerminalReporter

from chaos.kubernetes_target import KubernetesTarget
from infra.settings.stack import Stack
from tests.harness import kept_logs, pod_logs
from tests.harness.kubernetes.deployment import Deployer
from tests.harness.kubernetes.kubectl import Kubectl
from tests.harness.kubernetes.target import FILE, REPOSITORY, Target, read_stack

#: What a run has to say besides red and green.
_SAID = pytest.StashKey[list[str]]()
#: The last failure, and where its logs are: a fixture that failed fails each of its tests with the same exception.
_KEPT = pytest.StashKey[tuple[BaseException, Path]]()


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


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Keep what every pod wrote; where, is the last line of the failure."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()
    if not report.failed or call.excinfo is None:
        return
    failure = call.excinfo.value
    earlier, folder = item.config.stash.get(_KEPT, (None, Path()))
    if failure is not earlier:
        folder = kept_logs.folder_of(item.nodeid)
        pod_logs.keep(folder, KubernetesTarget.connect().core)
        item.config.stash[_KEPT] = (failure, folder)
    kept_logs.name_in(report, folder)


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


@pytest.fixture
def deployer(kubectl: Kubectl, tmp_path: Path) -> Deployer:
    """Of the stack that is deployed."""
    return Deployer(kubectl, REPOSITORY / os.environ["MILLRACE_STACK_FILE"], tmp_path)


@pytest.fixture(scope="session")
def target() -> Target:
    """How the gateway is reached; written by `make staging`."""
    try:
        return Target.read()
    except AssertionError as error:
        pytest.fail(str(error), pytrace=False)
