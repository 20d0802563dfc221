"""Brings the stack up in the order that is fastest and right, and takes it down."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from app import contract
from app.contract import Queue
from infra import naming
from infra.local import api_keys, brokers, compose, files, images, ready, secrets, settings_files
from infra.local.brokers import LocalBroker
from infra.local.compose import Compose
from infra.local.folders import RABBITMQ_NODES
from infra.local.images import Image
from infra.local.progress import Steps
from infra.local.state import State
from infra.servers.rabbitmq.cluster import VERSIONS, RabbitMQVersion

#: Beside those of the broker.
SERVERS = ("postgresql", "redis", "objectstore", "prometheus")
#: Processes that run to their end.
ONE_SHOT = ("migrate", "topology", "operator")


class StackError(Exception):
    """The stack cannot be changed as asked."""


def processes(queues: Sequence[Queue]) -> tuple[str, ...]:
    """What runs for as long as the stack does, beside its servers."""
    workers = (naming.worker(queue.name) for queue in queues)
    return ("gateway", "relay-1", "relay-2", *workers, "archiver", "beat", "retention", "flower")


def rabbitmq_version() -> RabbitMQVersion:
    """MILLRACE_RABBITMQ_VERSION, 4.3 by default.

    Raises:
        StackError: it is neither of those we build.
    """
    wanted = os.environ.get("MILLRACE_RABBITMQ_VERSION") or VERSIONS[0]
    for version in VERSIONS:
        if wanted == version:
            return version
    msg = f"MILLRACE_RABBITMQ_VERSION is {wanted!r}; allowed are {', '.join(VERSIONS)}"
    raise StackError(msg)


@contextmanager
def locked(state: State) -> Iterator[None]:
    """One change at a time. The lock ends with the process, however it ends.

    Raises:
        StackError: somebody else is at it.
    """
    files.folder(state.root, files.PUBLIC_FOLDER)
    with state.lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            msg = f"another `up`, `down` or `images` of this checkout is running ({state.lock} is locked); wait for it"
            raise StackError(msg) from error
        yield


def build_images(state: State, steps: Steps, wanted: tuple[Image, ...], *, fresh: bool = False) -> dict[str, str]:
    """Build three at a time (each waits for downloads half of its time); returns the tags by name."""

    def one(image: Image) -> tuple[str, str]:
        reference = images.tag(image)
        if not fresh and images.exists(reference):
            return image.name, images.build(image, state)
        with steps.step(f"build {image.alias}", image.usual):
            return image.name, images.build(image, state, fresh=fresh)

    with ThreadPoolExecutor(max_workers=3) as pool:
        return dict(pool.map(one, wanted))


def up(state: State, steps: Steps, name: str = brokers.RABBITMQ.name) -> None:
    """Make what is missing, start everything, wait until it works. Safe to repeat and to interrupt."""
    version = rabbitmq_version()
    broker = brokers.find(name)
    _refuse_downgrade(state, version)
    _refuse_another(state, broker)
    wanted = tuple(one for one in processes(contract.queues()) if one not in broker.without)
    with steps.step("secrets and settings", 0.2):
        secrets.write_secrets(state)
        settings_files.write_settings(state, version)
        brokers.write(state, broker, contract.queues(), (*ONE_SHOT, *wanted))
    more = () if broker.image is None else (broker.image,)
    tags = build_images(state, steps, (*images.local_images((version,)), *more))
    compose.write_environment(state, tags, settings_files.hashes(state))
    stack = Compose(state)
    with steps.step("start the servers", 3):
        stack.run("up", "--detach", "--no-deps", *SERVERS, *broker.servers)
    if broker is brokers.RABBITMQ:
        files.write(state.root / "rabbitmq_version", version, files.PUBLIC_FILE)
    with steps.step("PostgreSQL and Redis answer", 3) as note:
        ready.wait_healthy(stack, ("postgresql", "redis"), 120, note)
    with steps.step("migrate the schema", 3):
        stack.run("up", "--detach", "--no-deps", "migrate")
        ready.wait_done(stack, "migrate", 120)
    title = (
        f"RabbitMQ {version} forms a cluster of {len(RABBITMQ_NODES)}" if broker is brokers.RABBITMQ else broker.name
    )
    with steps.step(title, 15) as note:
        ready.wait_healthy(stack, broker.servers, 180, note)
    with steps.step("declare exchanges and queues", 5):
        stack.run("up", "--detach", "--no-deps", "topology")
        ready.wait_done(stack, "topology", 120)
    with steps.step("start gateway, relays, workers", 6):
        # Orphans: the workers of a queue that is not declared any more.
        stack.run("up", "--detach", "--no-deps", "--remove-orphans", *wanted)
    with steps.step("they answer", 8) as note:
        ready.wait_healthy(stack, (*wanted, "objectstore", "prometheus"), 120, note)
    with steps.step("API keys", 3):
        api_keys.ensure(stack, state)


def down(state: State, steps: Steps, *, purge: bool) -> None:
    """Stop and remove the containers; with `purge` the data too. Secrets stay: they are the checkout's."""
    stack = Compose(state)
    with steps.step("stop and remove the containers" + (" and their data" if purge else ""), 12):
        stack.run("down", "--remove-orphans", *(("--volumes",) if purge else ()))
    if purge:
        (state.root / "rabbitmq_version").unlink(missing_ok=True)
        (state.root / contract.LOCAL_BROKER_FILE).unlink(missing_ok=True)
        state.broker.unlink(missing_ok=True)
        for key in api_keys.KEYS:
            key.path(state).unlink(missing_ok=True)


def _refuse_downgrade(state: State, version: RabbitMQVersion) -> None:
    """RabbitMQ cannot read the data of a newer one."""
    kept = state.root / "rabbitmq_version"
    data = kept.read_text() if kept.is_file() else version
    if data != version:
        msg = f"the data is of RabbitMQ {data}, asked for is {version}: first `make down PURGE=1` (removes all data)"
        raise StackError(msg)


def _refuse_another(state: State, broker: LocalBroker) -> None:
    """Messages stay in the broker that they are in."""
    before = brokers.kept(state)
    told = (state.root / contract.LOCAL_BROKER_FILE).is_file()
    if before != broker and (told or Compose(state).containers()):
        msg = f"the stack has {before.name} as its broker, asked for is {broker.name}: first `make down PURGE=1`"
        raise StackError(msg)
