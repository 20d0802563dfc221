"""`python -m app wait`, which init containers run: it waits for what its process needs, and says in vain for what."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from app import contract
from app.contract import Role
from tests.harness.stack import Stack


def _wait(stack: Stack, service: str, option: str) -> None:
    stack.run(service, "wait", option, "--timeout-seconds", "280")


def _wait_in_vain(stack: Stack, service: str, option: str, *, said: str, **environment: str) -> None:
    with pytest.raises(AssertionError, match=rf"ended with 2(.|\n)*{said}"):
        stack.run(service, "wait", option, "--timeout-seconds", "2", environment=environment)


def _side_by_side(*waits: Callable[[], None]) -> None:
    with ThreadPoolExecutor() as pool:
        for wait in [pool.submit(wait) for wait in waits]:
            wait.result()


def test_wait_for_migrations(single: Stack) -> None:
    """An older schema is waited for, in vain for as long as was said; this image's and a newer one will do."""
    ((head,),) = single.query("SELECT version_num FROM alembic_version")
    set_version = "UPDATE alembic_version SET version_num = %s"
    try:
        single.query(set_version, "0001", role=Role.OWNER)
        _wait_in_vain(single, "relay-1", "--migrations", said=f"at 0001, this image needs {head}")
        single.query(set_version, "9999", role=Role.OWNER)
        _wait(single, "relay-1", "--migrations")
    finally:
        single.query(set_version, head, role=Role.OWNER)
    services = ("gateway", "relay-1", "worker-bulk", "archiver")
    _side_by_side(*(partial(_wait, single, service, "--migrations") for service in services))


def test_wait_for_the_topology(single: Stack) -> None:
    """Each role waits for what it may see, and says what is missing."""
    single.remove("worker-bulk")
    single.broker.ask("DELETE", f"/api/queues/{contract.VHOST}/bulk")
    try:
        in_vain = partial(_wait_in_vain, single, option="--topology", said="no queue 'bulk'")
        _side_by_side(
            partial(in_vain, "worker-bulk"),
            partial(in_vain, "beat"),
            partial(_wait, single, "worker-interactive", "--topology"),
        )
    finally:
        single.run("topology")
    services = ("relay-1", "worker-bulk", "archiver", "beat")
    _side_by_side(*(partial(_wait, single, service, "--topology") for service in services))


def test_wait_while_the_server_is_away(single: Stack) -> None:
    """No server is no reason to end sooner, nor later."""
    nowhere = {"MILLRACE_RABBITMQ_HOST": "nowhere", "MILLRACE_POSTGRESQL_HOST": "nowhere"}
    _side_by_side(
        partial(_wait_in_vain, single, "relay-1", "--migrations", said="PostgreSQL", **nowhere),
        partial(_wait_in_vain, single, "relay-1", "--topology", said="RabbitMQ", **nowhere),
    )
