"""A pytest plugin: stacks that live for a session and are healed before each test, and the logs of what went red.

A folder of tests asks for it by `pytest_plugins` in its conftest.py. With `-n 2` the tests of a folder stay on one
worker, so the stack of each folder starts once, and two run side by side.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, TypeVar

import docker
import pytest
from docker.errors import DockerException
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# The reaper is an image of its own, which cannot be had everywhere; harness/cleanup.py does its work.
os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"

from app.contract import Role
from infra.servers.rabbitmq.cluster import RabbitMQVersion
from tests.harness import cleanup, images, kept_logs
from tests.harness.load import Load
from tests.harness.stack import Stack

AnyStack = TypeVar("AnyStack", bound=Stack)
_STACKS: list[Stack] = []
#: Stacks that neither healed nor could be made anew, and why.
_BEYOND_REPAIR: dict[str, str] = {}


def pytest_configure(config: pytest.Config) -> None:
    """Name the run, fix what is tested, and refuse to begin without Docker."""
    if hasattr(config, "workerinput"):
        return
    cleanup.begin()
    try:
        docker.from_env().ping()
    except DockerException as error:
        raise pytest.UsageError(f"these tests need Docker, which does not answer: {error}") from error
    images.resolve()
    cleanup.sweep()
    atexit.register(cleanup.end)


class _ByFolder(LoadScopeScheduling):  # type: ignore[misc]  # to mypy Any
    """A folder's tests share a stack, so they stay on one worker. xdist's own groups do nothing under pytest 9.2."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0].rpartition("/")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Folders side by side, each whole and in its own order."""
    return _ByFolder(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave nothing, also after an interrupt."""
    if not hasattr(session.config, "workerinput"):
        cleanup.end()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Keep what every container wrote; where, is the last line of the failure."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and any(stack.machines for stack in _STACKS):
        kept_logs.name_in(report, _keep_logs(item.nodeid))


def _keep_logs(test: str) -> Path:
    folder = kept_logs.folder_of(test)
    folder.mkdir(parents=True, exist_ok=True)
    for stack in _STACKS:
        for name, machine in list(stack.machines.items()):
            with contextlib.suppress(Exception):
                state = machine.state
                title = f"{stack.name}: {name}: {state['Status']}, exit code {state['ExitCode']}\n"
                (folder / f"{stack.name}-{name}.log").write_text(title + machine.logs())
    return folder


def session_stack(
    factory: pytest.TempPathFactory,
    name: str,
    *,
    version: RabbitMQVersion = "4.3",
    nodes: int = 1,
    image: str | None = None,
) -> Iterator[Stack]:
    """Start a stack, and remove it at the end."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    with registered(
        Stack(f"{name}-{worker}", factory.mktemp(name), version=version, nodes=nodes, image=image)
    ) as stack:
        yield stack


@contextlib.contextmanager
def registered(stack: AnyStack) -> Iterator[AnyStack]:
    """A stack that runs while the block does, and whose logs are kept when a test is red."""
    # pytest's temporary folders are closed to others; the containers' user must reach the secrets below.
    folder = stack.state.root
    for part in (folder, folder.parent, folder.parent.parent):
        part.chmod(0o711)
    _STACKS.append(stack)
    try:
        stack.start()
        yield stack
    finally:
        _STACKS.remove(stack)
        stack.close()


def healed(stack: Stack) -> Stack:
    """The stack with everything running and nothing under way; what one test broke for good is made anew once."""
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


@pytest.fixture(scope="session")
def _single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    yield from session_stack(tmp_path_factory, "single")


@pytest.fixture(scope="session")
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    yield from session_stack(tmp_path_factory, "cluster", nodes=3)


@pytest.fixture(scope="session")
def _cluster40(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    yield from session_stack(tmp_path_factory, "cluster40", version="4.0", nodes=3)


@pytest.fixture
def single(_single: Stack) -> Stack:
    """One RabbitMQ node, everything running, nothing under way."""
    return healed(_single)


@pytest.fixture
def cluster(_cluster: Stack) -> Stack:
    """Three nodes of RabbitMQ 4.3."""
    return healed(_cluster)


@pytest.fixture
def cluster40(_cluster40: Stack) -> Stack:
    """Three nodes of RabbitMQ 4.0."""
    return healed(_cluster40)


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Load]:
    """Make loads on a stack."""

    def make(stack: Stack, **rates: float) -> Load:
        return Load(stack, tmp_path / "ledger", **rates)

    return make
