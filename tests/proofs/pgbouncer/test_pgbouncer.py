"""The processes work through PgBouncer as they do without: exact accounts, also when it or PostgreSQL dies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import docker
import httpx
import psycopg
import pytest

from app import contract
from app.contract import Role
from infra.servers.capacity import POOLED_ROLES, pool_size
from loadtests.history import Outcome
from tests.harness.containers import Machine
from tests.harness.drills import Drill, wait_archived
from tests.harness.load import Load, assert_exact, count
from tests.harness.messages import event
from tests.harness.stack import ANSWER_SECONDS, QUICK, Stack
from tests.harness.tls import plain_answer
from tests.harness.waiting import eventually
from tests.proofs.pgbouncer.pooler import FLEET, settings, start, wait_well

_NAME = "pgbouncer"
_THROUGH_IT = {"MILLRACE_POSTGRESQL_HOST": _NAME}
UNDER_WAY = 60
#: Longer than any handshake on a machine that has nothing else to do; shorter than the time that a request has.
SLOW_SECONDS = 1.7
#: Far more than a lost client's locks last, and half of PostgreSQL's idle_in_transaction_session_timeout.
LOST_WITHIN_SECONDS = 30.0


def _connect(stack: Stack, role: Role, *, name: str = _NAME, **options: Any) -> psycopg.Connection[Any]:
    arguments: dict[str, Any] = {
        "host": "localhost",
        "port": stack.port(name, contract.PORT_POSTGRESQL),
        "dbname": contract.POSTGRESQL_DATABASE,
        "user": str(role),
        "password": stack.password(role, "postgresql"),
        "sslmode": "verify-full",
        "sslrootcert": str(stack.ca_file),
        "connect_timeout": 60,
        "autocommit": True,
    }
    return psycopg.connect(**arguments | options)


@pytest.fixture(scope="module")
def pooler(_single: Stack) -> Iterator[Machine]:
    """PgBouncer in front of the stack's PostgreSQL."""
    machine = start(_single, settings(_single, _NAME, "postgresql"))
    yield machine
    machine.remove()


@pytest.fixture
def pooled(single: Stack, pooler: Machine) -> Stack:
    """The stack whose processes know PostgreSQL only by way of PgBouncer."""
    if not pooler.running:
        pooler.start_again()
    wait_well(pooler)
    single.ensure(**_THROUGH_IT)
    return single


def _sessions(stack: Stack) -> dict[str, list[str]]:
    """Whence each role is logged in, as the superuser sees it."""
    roles = ", ".join(f"'{role}'" for role in POOLED_ROLES)
    statement = f"SELECT usename || ' ' || host(client_addr) FROM pg_stat_activity WHERE usename IN ({roles})"
    words = ("psql", "--host", "/run/postgresql", "--dbname", contract.POSTGRESQL_DATABASE, "-Atc", statement)
    found: dict[str, list[str]] = {}
    for line in stack.machines["postgresql"].execute(*words).splitlines():
        role, address = line.split()
        found.setdefault(role, []).append(address)
    return found


def test_everything_goes_through_it(pooled: Stack, pooler: Machine, load: Callable[..., Load]) -> None:
    """Gateway, relays, workers and archiver have no session with PostgreSQL but PgBouncer's, and few of those."""
    with load(pooled) as running:
        running.wait_stored(UNDER_WAY)
        sessions = _sessions(pooled)
    pooler.docker.reload()
    (network,) = pooler.docker.attrs["NetworkSettings"]["Networks"].values()
    assert {"gateway", "relay", "worker"} <= sessions.keys()
    for role, addresses in sessions.items():
        assert set(addresses) == {network["IPAddress"]}
        assert len(addresses) <= pool_size(FLEET, Role(role))
    assert_exact(running.accounting())
    assert count(running.history, Outcome.ACCEPTED) == len(running.history.attempts)


def test_dead_letters_and_operator(pooled: Stack) -> None:
    """The archiver archives and the operator replays, through it."""
    drill = Drill(pooled, "raise", queue="interactive")
    letter = wait_archived(pooled, drill.task_id)
    drill.mend()
    words = ("dead-letters", "replay", "--note", "mended", "--actor", "the tests", str(letter["dead_letter_id"]))
    pooled.operate(*words, environment=_THROUGH_IT)
    eventually(lambda: pooled.query("SELECT 1 FROM events WHERE event_id = %s", drill.event_id), what="the effect")


def test_pgbouncer_killed_under_load(pooled: Stack, pooler: Machine, load: Callable[..., Load]) -> None:
    """Every connection of every process breaks at once; what was accepted is executed once, and work goes on."""
    with load(pooled) as running:
        running.wait_stored(UNDER_WAY)
        pooler.kill()
        pooler.wait_ended()
        pooler.start_again()
        before = running.stored()
        running.wait_stored(before + UNDER_WAY)
    assert_exact(running.accounting())


def test_pgbouncer_stopped_under_load(pooled: Stack, pooler: Machine, load: Callable[..., Load]) -> None:
    """As a roll-out stops it: within its grace, although the processes never close their connections."""
    with load(pooled) as running:
        running.wait_stored(UNDER_WAY)
        pooler.stop(timeout=120)
        assert pooler.state["ExitCode"] == 0, "it ended by itself, not by SIGKILL"
        pooler.start_again()
        running.wait_executed(since=time.time())
    assert_exact(running.accounting())


def test_slow_to_connect(pooled: Stack, pooler: Machine) -> None:
    """A handshake that takes longer than usual is waited for, not begun anew: whoever is slow has enough to do."""
    gateway = pooled.replace("gateway", environment={**QUICK, **_THROUGH_IT})
    with ThreadPoolExecutor(8) as pool, pooled.http() as client:
        pooler.pause()
        try:
            frozen_at = time.monotonic()
            sent = [pool.submit(client.post, "/v1/events", json=event(f"somebody-{number}")) for number in range(8)]
            eventually(lambda: time.monotonic() - frozen_at > SLOW_SECONDS, what="it was slow for long enough")
            retried = "postgresql_tried_again" in gateway.logs()
            in_time = time.monotonic() - frozen_at < ANSWER_SECONDS
        finally:
            pooler.unpause()
        answers = [answer.result() for answer in sent]
    # Who waited to the gateway's own deadline is refused, as is right: there this machine was slower than the pooler.
    late = [answer for answer in answers if answer.elapsed.total_seconds() >= ANSWER_SECONDS]
    assert {answer.status_code for answer in answers if answer not in late} <= {httpx.codes.ACCEPTED}
    assert not (retried and in_time)


@pytest.mark.parametrize("loss", ["killed", "cut off"])
def test_one_of_two_lost_under_load(pooled: Stack, pooler: Machine, load: Callable[..., Load], loss: str) -> None:
    """The one that all connections lead to breaks, or goes silent with its node: nobody's request fails for that.

    An answer that never came may have been to a write that was done: with its key the second attempt finds it.
    """
    other = start(pooled, settings(pooled, f"{_NAME}-2", "postgresql", known_as=_NAME))
    assert pooled._network.id is not None
    network = docker.from_env().networks.get(pooled._network.id)
    try:
        wait_well(other)
        with load(pooled) as running:
            running.wait_stored(UNDER_WAY)
            if loss == "killed":
                pooler.kill()
            else:
                network.disconnect(pooler.docker)
            before = running.stored()
            running.wait_stored(before + UNDER_WAY)
        assert_exact(running.accounting())
        assert count(running.history, Outcome.ACCEPTED) == len(running.history.attempts)
    finally:
        other.remove()
        if loss == "cut off":
            network.connect(pooler.docker, aliases=[_NAME])


def test_locks_of_a_client_that_is_lost_before_its_answer(pooled: Stack, pooler: Machine) -> None:
    """They end in seconds. Keepalives rest while an answer is on its way, so they notice nothing here.

    A lost node had PgBouncer's transaction with a list's accounts: no list ran for 60 s, until PostgreSQL's
    idle_in_transaction_session_timeout or the node's return.
    """
    assert pooled._network.id is not None
    network = docker.from_env().networks.get(pooled._network.id)
    with ExitStack() as stack:
        gate = stack.enter_context(pooled.database(Role.WORKER))
        gate.execute("SELECT pg_advisory_lock(1)")
        lost = _connect(pooled, Role.WORKER)
        stack.callback(lost.pgconn.finish)  # `close` would send a word and wait
        lost.execute("BEGIN")
        lost.execute("SELECT pg_advisory_xact_lock(2)")
        lost.pgconn.send_query(b"SELECT pg_advisory_xact_lock_shared(1)")
        waits = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted"
        eventually(lambda: gate.execute(waits).fetchall(), what="its statement waits")

        # Docker ends the client's connection by a FIN, which a frozen process hands to nobody.
        pooler.pause()
        stack.callback(pooler.unpause)
        network.disconnect(pooler.docker)
        stack.callback(network.connect, pooler.docker, aliases=[_NAME])
        gate.execute("SELECT pg_advisory_unlock(1)")
        eventually(
            lambda: gate.execute("SELECT pg_try_advisory_lock(2)").fetchone() == (True,),
            within=LOST_WITHIN_SECONDS,
            what="the lock of the transaction is free",
        )


def test_postgresql_killed_behind_it(pooled: Stack, load: Callable[..., Load]) -> None:
    """The processes' connections stay up while what they lead to is gone; accepted is still executed once."""
    with load(pooled) as running:
        running.wait_stored(UNDER_WAY)
        pooled.machines["postgresql"].kill()
        pooled.machines["postgresql"].wait_ended()
        pooled.machines["postgresql"].start_again()
        pooled.wait("postgresql")
        running.wait_executed(since=time.time())
    assert_exact(running.accounting())


def test_prepared_statements_of_many_clients(pooled: Stack) -> None:
    """More clients than connections, each with prepared statements that the others' connections have not seen."""
    with ExitStack() as stack:
        clients = [stack.enter_context(_connect(pooled, Role.GATEWAY)) for _ in range(12)]
        for client in clients:
            client.prepared_max = 2  # so that statements are closed too
        for number in range(6):
            for index, client in enumerate(clients):
                row = client.execute(f"SELECT %s::int + {number % 3}", [index], prepare=True).fetchone()
                assert row == (index + number % 3,)


def test_statements_are_bounded(pooled: Stack) -> None:
    """A process cannot set its timeout through a pool, so the role has it."""
    with _connect(pooled, Role.GATEWAY) as client:
        assert client.execute("SHOW statement_timeout").fetchone() == (f"{contract.STATEMENT_TIMEOUT_SECONDS}s",)
        assert client.execute("SHOW tcp_user_timeout").fetchone() == (f"{contract.SERVER_PEER_LOST_SECONDS * 1000}",)


@pytest.mark.parametrize("role", [Role.OWNER, Role.AUDITOR, Role.BACKUP])
def test_roles_that_do_not_come_this_way(pooled: Stack, role: Role) -> None:
    """The owner's verifier is not even here."""
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        _connect(pooled, role)


def test_wrong_password(pooled: Stack) -> None:
    """Checked by PgBouncer, before PostgreSQL hears of it."""
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        _connect(pooled, Role.GATEWAY, password="wrong")


def test_plain_text(pooled: Stack) -> None:
    """TLS or nothing."""
    with pytest.raises(psycopg.OperationalError, match="SSL required"):
        _connect(pooled, Role.GATEWAY, sslmode="disable")
    answer = plain_answer(pooled.port(_NAME, contract.PORT_POSTGRESQL), b"GET / HTTP/1.1\r\n\r\n")
    assert b"HTTP" not in answer


def test_console(pooled: Stack) -> None:
    """The operator may look; nobody changes anything, and nobody else comes in."""
    options: dict[str, Any] = {"dbname": "pgbouncer", "cursor_factory": psycopg.ClientCursor}
    with _connect(pooled, Role.OPERATOR, **options) as console:
        pools = {row[1]: row for row in console.execute("SHOW POOLS").fetchall()}
        assert "gateway" in pools
        for command in ("PAUSE", "SHUTDOWN", "SET pool_mode = 'session'", "KILL millrace"):
            with pytest.raises(psycopg.Error, match="admin access needed"):
                console.execute(command)
    with pytest.raises(psycopg.OperationalError, match="not allowed"):
        _connect(pooled, Role.GATEWAY, **options)


def test_a_server_with_another_name_is_not_believed(pooled: Stack) -> None:
    """Its certificate must be for the host that PgBouncer was told: here, an address it is not for."""
    server = pooled.machines["postgresql"].docker
    server.reload()
    (network,) = server.attrs["NetworkSettings"]["Networks"].values()
    machine = start(pooled, settings(pooled, "pgbouncer-misled", network["IPAddress"]))
    try:
        wait_well(machine)
        with pytest.raises(psycopg.OperationalError):
            _connect(pooled, Role.GATEWAY, name="pgbouncer-misled")
        assert "not present in server certificate" in machine.logs()
    finally:
        machine.remove()
