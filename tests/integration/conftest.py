"""Fixtures of the integration tests: stacks that live for a session, healed before each test.

`make test` runs them file by file on two workers (`-n 2 --dist loadfile --no-loadscope-reorder`); each worker starts
the stacks that its files ask for, once. The files that wait longest begin first.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import DockerException

# The reaper is an image of its own, which cannot be had everywhere; harness/cleanup.py does its work.
os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"

from app.contract import Role
from infra.servers.rabbitmq.cluster import RabbitMQVersion
from tests.harness import cleanup, images
from tests.harness.load import Load
from tests.harness.stack import Stack

#: Of each container, in a failure's report; without the lines that say that all is well.
_LOG_LINES = 12
_QUIET = ('"status":202', "authenticated successfully", "granted access to vhost", "accepting AMQP connection")
_STACKS: list[Stack] = []
#: Stacks that neither healed nor could be made anew, and why.
_BEYOND_REPAIR: dict[str, str] = {}
#: A minute of outage costs no processor: the sooner it begins, the more others do meanwhile.
_FIRST = (
    "test_three_nodes_43",
    "test_postgresql_away",
    "test_three_nodes_40",
    "test_kill_under_load",
    "test_failpoints",
)


def pytest_configure(config: pytest.Config) -> None:
    """Name the run, fix what is tested, and refuse to begin without it."""
    if hasattr(config, "workerinput"):
        return
    cleanup.begin()
    try:
        docker.from_env().ping()
    except DockerException as error:
        raise pytest.UsageError(f"integration tests need Docker, which does not answer: {error}") from error
    if missing := images.resolve():
        raise pytest.UsageError(f"images are missing: {', '.join(missing)}. `make images` builds them.")
    cleanup.sweep()
    atexit.register(cleanup.end)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, each file whole and in its own order."""

    def place(item: pytest.Item) -> int:
        return _FIRST.index(item.path.stem) if item.path.stem in _FIRST else len(_FIRST)

    items.sort(key=place)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave nothing, also after an interrupt."""
    if not hasattr(session.config, "workerinput"):
        cleanup.end()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, None]:
    """Show with each failure what the containers said last."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    for stack in _STACKS:
        for name, machine in list(stack.machines.items()):
            with contextlib.suppress(Exception):
                state = machine.state
                title = f"{stack.name}: {name} ({state['Status']}, exit code {state['ExitCode']})"
                lines = [
                    line[:600] for line in machine.logs(400).splitlines() if not any(word in line for word in _QUIET)
                ]
                report.sections.append((title, "\n".join(lines[-_LOG_LINES:])))


def _session_stack(
    factory: pytest.TempPathFactory, name: str, *, version: RabbitMQVersion = "4.3", nodes: int = 1
) -> Iterator[Stack]:
    folder = factory.mktemp(name)
    # pytest's temporary folders are closed to others; the containers' user must reach the secrets below.
    for part in (folder, folder.parent, folder.parent.parent):
        part.chmod(0o711)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    stack = Stack(f"{name}-{worker}", folder, version=version, nodes=nodes)
    _STACKS.append(stack)
    try:
        stack.start()
        yield stack
    finally:
        _STACKS.remove(stack)
        stack.close()


@pytest.fixture(scope="session")
def _single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    yield from _session_stack(tmp_path_factory, "single")


@pytest.fixture(scope="session")
def _cluster43(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    yield from _session_stack(tmp_path_factory, "cluster43", nodes=3)


@pytest.fixture(scope="session")
def _cluster40(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    yield from _session_stack(tmp_path_factory, "cluster40", version="4.0", nodes=3)


def _healed(stack: Stack) -> Stack:
    if stack.name in _BEYOND_REPAIR:
        pytest.fail(_BEYOND_REPAIR[stack.name])
    try:
        stack.heal()
    except AssertionError as error:
        # What one test broke for good must not cost each of the others the time that it takes to see it.
        _BEYOND_REPAIR[stack.name] = f"{stack.name} could not be started again: {error}"
        stack.close()
        stack.start()
        stack.heal()
        del _BEYOND_REPAIR[stack.name]
    if stack.broker.messages() or stack.query("SELECT 1 FROM outbox_pending LIMIT 1"):
        # A test that failed left work behind, which would be counted as this one's.
        stack.query("DELETE FROM outbox_pending", role=Role.OWNER)
        stack.broker.purge()
    return stack


@pytest.fixture
def single(_single: Stack) -> Stack:
    """One RabbitMQ node, everything running, nothing under way."""
    return _healed(_single)


@pytest.fixture
def cluster43(_cluster43: Stack) -> Stack:
    """Three nodes of RabbitMQ 4.3."""
    return _healed(_cluster43)


@pytest.fixture
def cluster40(_cluster40: Stack) -> Stack:
    """Three nodes of RabbitMQ 4.0."""
    return _healed(_cluster40)


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Load]:
    """Make loads on a stack."""

    def make(stack: Stack, *, seconds: float, **rates: float) -> Load:
        return Load(stack, tmp_path / "ledger", seconds=seconds, **rates)

    return make
