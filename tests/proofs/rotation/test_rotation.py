"""Every password is rotated under load: no request fails, the ledger is exact, and the old passwords are refused.

The order is the one of `pulumi up`: servers first, then their clients one after the other, which read their secrets
when they start. A second change of the servers removes the old credentials.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import amqp
import httpx
import psycopg
import pytest
import redis

from app import contract
from app.contract import Role
from infra.local import secrets, settings_files
from loadtests.history import Outcome
from tests.harness.load import Load, assert_exact, count
from tests.harness.ports import free_port
from tests.harness.stack import PROCESSES, QUICK, Stack
from tests.harness.waiting import eventually

#: The operator's is left as it is: the harness itself looks at the broker with it.
ROTATED = (Role.OWNER, Role.GATEWAY, Role.RELAY, Role.WORKER, Role.ARCHIVER, Role.AUDITOR, Role.PROBE)
CLIENTS = tuple(name for name in PROCESSES if name != "gateway")


def _servers_accept(stack: Stack, *generations: int) -> None:
    """The servers change, and what their clients will read at their next start; the clients go on."""
    stack.state.rotation.write_text(json.dumps(dict.fromkeys(ROTATED, generations)))
    secrets.write_secrets(stack.state)
    settings_files.write_settings(stack.state, stack.version, stack.nodes)
    # PostgreSQL is not restarted: its own health check sets the roles.
    stack.machines["postgresql"].execute("millrace-healthy")
    for name in ("redis", "objectstore", *stack.nodes):
        stack.machines[name].stop(timeout=60)
        stack.machines[name].start_again()
        stack.wait(name)


def _clients_roll(stack: Stack, running: Load) -> None:
    """One after the other, as a Deployment does it: the new gateway takes the requests before the old one ends."""
    for name in CLIENTS:
        stack.machines[name].stop(timeout=60)
        stack.replace(name)
    port = free_port()
    service = replace(stack.service("gateway"), name="gateway-next")
    stack.add(service, ports={contract.PORT_GATEWAY: port}, environment=QUICK)
    url = f"https://127.0.0.1:{port}"
    context = ssl.create_default_context(cafile=str(stack.ca_file))
    with httpx.Client(base_url=url, verify=context, trust_env=False) as client:
        eventually(
            lambda: client.get("/readyz").status_code == httpx.codes.OK,
            what="the new gateway is ready", tolerate=(httpx.HTTPError,),
        )  # fmt: skip
    with running.window("the gateway is replaced"):
        running.send_to(url)
    stack.machines["gateway"].stop(timeout=60)


def _enters(stack: Stack, login: str, role: Role, passwords: dict[str, str]) -> dict[str, bool]:
    """On which servers a login is let in with these passwords."""

    def tried(enter: Callable[[], object], refused: type[Exception]) -> bool:
        try:
            enter()
        except refused:
            return False
        return True

    def into_postgresql() -> None:
        psycopg.connect(
            host="127.0.0.1", port=stack.port("postgresql", contract.PORT_POSTGRESQL),
            dbname=contract.POSTGRESQL_DATABASE, user=login, password=passwords["postgresql"],
            sslmode="verify-full", sslrootcert=str(stack.ca_file), connect_timeout=120,
        ).close()  # fmt: skip

    def into_rabbitmq() -> None:
        connection = amqp.Connection(
            f"127.0.0.1:{stack.port(stack.nodes[0], contract.PORT_AMQPS)}", login, passwords["rabbitmq"],
            virtual_host=contract.VHOST, ssl={"ca_certs": str(stack.ca_file), "server_hostname": "localhost"},
        )  # fmt: skip
        try:
            connection.connect()
        finally:
            # What a refusal leaves open, too.
            connection.collect()

    def into_redis() -> None:
        with redis.Redis(
            host="127.0.0.1", port=stack.port("redis", contract.PORT_REDIS), username=str(role),
            password=passwords["redis"], ssl=True, ssl_ca_certs=str(stack.ca_file),
        ) as session:  # fmt: skip
            session.get("limit:none")

    ways: dict[str, tuple[Callable[[], object], type[Exception]]] = {
        "postgresql": (into_postgresql, psycopg.OperationalError),
        "rabbitmq": (into_rabbitmq, amqp.AccessRefused),
        "redis": (into_redis, redis.AuthenticationError),
    }
    return {server: tried(*ways[server]) for server in ways}


def _passwords(stack: Stack, role: Role) -> dict[str, str]:
    return {server: stack.password(role, server) for server in ("postgresql", "rabbitmq", "redis")}


@contextmanager
def _clean(stack: Stack) -> Iterator[None]:
    """Afterwards every client has the newest credentials, whatever happened."""
    try:
        yield
    finally:
        stack.remove("gateway-next", *PROCESSES)
        stack.heal()


def test_a_rotation_under_load_fails_no_request(single: Stack, load: Callable[..., Load]) -> None:
    """PostgreSQL, RabbitMQ, Redis and S3: both credentials, then the clients, then the old ones are refused."""
    old = _passwords(single, Role.WORKER)
    with _clean(single):
        with load(single) as running:
            running.wait_stored()
            _servers_accept(single, 2, 1)
            running.wait_executed(since=time.time())
            assert _enters(single, "worker", Role.WORKER, old) == dict.fromkeys(old, True)
            new = _passwords(single, Role.WORKER)
            assert not set(new.values()) & set(old.values())
            assert _enters(single, "worker_b", Role.WORKER, new) == dict.fromkeys(new, True)

            _clients_roll(single, running)
            running.wait_executed(since=time.time())
            sessions = single.query("SELECT DISTINCT usename FROM pg_stat_activity WHERE usename IS NOT NULL")
            assert {"gateway_b", "worker_b", "relay_b"} <= {name for (name,) in sessions}

            _servers_accept(single, 2)
            running.wait_executed(since=time.time())
            assert _enters(single, "worker", Role.WORKER, old) == dict.fromkeys(old, False)
            assert _enters(single, "worker_b", Role.WORKER, new) == dict.fromkeys(new, True)
        assert_exact(running.accounting())
        failed = count(running.history, *(outcome for outcome in Outcome if outcome is not Outcome.ACCEPTED))
        assert failed == 0


def test_what_the_second_login_makes_belongs_to_the_role(single: Stack) -> None:
    """Or a migration that ran meanwhile would leave tables that the first login may not alter."""
    with _clean(single):
        _servers_accept(single, 2)
        single.query("CREATE TABLE of_the_rotation (x int)", role=Role.OWNER)
        try:
            owner = single.query("SELECT tableowner FROM pg_tables WHERE tablename = 'of_the_rotation'")
            assert owner == [("owner",)]
            assert single.query("SHOW statement_timeout", role=Role.WORKER) == [
                (f"{contract.STATEMENT_TIMEOUT_SECONDS}s",)
            ]
        finally:
            single.query("DROP TABLE of_the_rotation", role=Role.OWNER)


def test_a_credential_that_is_removed_first_is_an_outage(single: Stack, load: Callable[..., Load]) -> None:
    """The planted bug: the old credentials go before the clients have the new ones. Until then nothing is executed."""
    with _clean(single), load(single) as running:
        running.wait_stored()
        _servers_accept(single, 3)
        with pytest.raises(AssertionError, match="executes what was accepted after the fault"):
            running.wait_executed(since=time.time(), within=10)
        _clients_roll(single, running)
        running.wait_executed(since=time.time())
