"""`python -m app wait`, which init containers run: it waits for what its process needs, and says in vain for what."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from app import contract
from app.contract import Role
from tests.harness.stack import Stack


def _wait(cluster: Stack, service: str, *options: str, seconds: int = 60) -> None:
    cluster.run(service, "wait", *options, "--timeout-seconds", str(seconds))


def _wait_all(cluster: Stack, *services: str, option: str) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda service: _wait(cluster, service, option), services))


def test_wait_for_migrations(cluster: Stack) -> None:
    """An older schema is waited for, in vain for as long as was said; this image's and a newer one will do."""
    ((head,),) = cluster.query("SELECT version_num FROM alembic_version")
    set_version = "UPDATE alembic_version SET version_num = %s"
    try:
        cluster.query(set_version, "0001", role=Role.OWNER)
        with pytest.raises(AssertionError, match=f"ended with 2(.|\n)*at 0001, this image needs {head}"):
            _wait(cluster, "relay-1", "--migrations", seconds=2)
        cluster.query(set_version, "9999", role=Role.OWNER)
        _wait(cluster, "relay-1", "--migrations")
    finally:
        cluster.query(set_version, head, role=Role.OWNER)
    _wait_all(cluster, "gateway", "relay-1", "worker-bulk", "archiver", option="--migrations")


def test_wait_for_the_topology(cluster: Stack) -> None:
    """Each role waits for what it may see, and says what is missing."""
    cluster.remove("worker-bulk")
    cluster.broker.ask("DELETE", f"/api/queues/{contract.VHOST}/bulk")
    try:
        for service in ("worker-bulk", "beat"):
            with pytest.raises(AssertionError, match=r"ended with 2(.|\n)*no queue 'bulk'"):
                _wait(cluster, service, "--topology", seconds=2)
        _wait(cluster, "worker-interactive", "--topology")
    finally:
        cluster.run("topology")
    _wait_all(cluster, "relay-1", "worker-bulk", "archiver", "beat", option="--topology")


def test_wait_while_the_server_is_away(cluster: Stack) -> None:
    """No server is no reason to end sooner, nor later."""
    environment = {"MILLRACE_RABBITMQ_HOST": "nowhere", "MILLRACE_POSTGRESQL_HOST": "nowhere"}
    for option, server in (("--migrations", "PostgreSQL"), ("--topology", "RabbitMQ")):
        with pytest.raises(AssertionError, match=f"ended with 2(.|\n)*{server}"):
            cluster.run("relay-1", "wait", option, "--timeout-seconds", "2", environment=environment)
