"""PostgreSQL's settings and roles, and the pool in front of it."""

from __future__ import annotations

import configparser

import pytest

from app import contract
from app.contract import Role
from infra.servers import hashes, pgbouncer, postgresql
from infra.servers.pgbouncer import POOLED_ROLES, pgbouncer_ini, pool_size, userlist
from infra.servers.postgresql import CONNECTION_LIMITS, roles_sql
from infra.servers.postgresql_conf import hba_rules, pg_hba_conf, postgresql_conf, tuning

GIB = 1024**3
PASSWORDS = {role: {str(role): f"secret-of-{role}"} for role in contract.POSTGRESQL_ROLES}


def _ini(replicas: int = 2) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(pgbouncer_ini("postgresql.millrace-data.svc", replicas))
    return parser


def test_accepted_means_committed() -> None:
    """Law 1 is a setting, whatever the memory."""
    for memory in (GIB // 4, GIB, 64 * GIB):
        settings = tuning(memory)
        assert {settings[name] for name in ("fsync", "synchronous_commit", "full_page_writes")} == {"on"}


def test_memory_is_shared_out() -> None:
    """A quarter is PostgreSQL's own."""
    assert tuning(GIB)["shared_buffers"] == "256MB"
    assert tuning(4 * GIB)["shared_buffers"] == "1024MB"
    with pytest.raises(ValueError, match="PostgreSQL needs"):
        tuning(GIB // 8)


def test_connections_of_all_roles_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last role to come must not find the server full, nor the superuser."""
    assert sum(CONNECTION_LIMITS.values()) + postgresql.SUPERUSER_CONNECTIONS <= postgresql.MAX_CONNECTIONS
    monkeypatch.setitem(CONNECTION_LIMITS, Role.WORKER, 37)
    with pytest.raises(ValueError, match="may hold 105 connections, the server 104"):
        tuning(GIB)


def test_tls_or_nothing() -> None:
    """Every line for the network asks for TLS and SCRAM; the superuser has none."""
    assert "ssl = 'on'" in postgresql_conf(GIB)
    for line in hba_rules():
        kind, _, _, _, method = line.split()
        assert (kind, method) in {("hostssl", "scram-sha-256"), ("hostnossl", "reject")}
    assert [line for line in pg_hba_conf().splitlines() if line.startswith("local")] == ["local all millrace peer"]


def test_an_operator_is_told_nothing_that_is_its_own() -> None:
    """CloudNativePG refuses a cluster that sets where files lie, who listens, or TLS."""
    forbidden = ("ssl", "data_directory", "hba_file", "listen_addresses", "port", "unix_socket", "log_destination")
    assert not [name for name in tuning(GIB) if name.startswith(forbidden)]


def test_every_role_has_a_limit_in_time_but_those_who_read_long() -> None:
    """A pooled connection has no settings of its own."""
    text = roles_sql(PASSWORDS)
    unlimited = [
        role for role in contract.POSTGRESQL_ROLES if f"ALTER ROLE {role} SET statement_timeout = '0s'" in text
    ]

    assert unlimited == [Role.AUDITOR, Role.BACKUP]
    assert "secret-of" not in text


def test_the_pool_has_the_same_verifiers() -> None:
    """Byte for byte, or the key of a client's login does not open the server; and no password in plain."""
    text, roles = userlist(PASSWORDS), roles_sql(PASSWORDS)
    for role in POOLED_ROLES:
        verifier = hashes.postgresql(PASSWORDS[role][role])
        assert f'"{role}" "{verifier}"\n' in text
        assert verifier in roles
    assert "secret-of" not in text


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_pools_stay_within_the_roles_limits(replicas: int) -> None:
    """Also while a roll-out runs one more; of every role that comes this way."""
    users = _ini(replicas)["users"]
    assert set(users) == {login for role in POOLED_ROLES for login in contract.logins(role)}
    for role in POOLED_ROLES:
        size = int(users[role].removeprefix("pool_size="))
        assert size >= 1
        assert size * (replicas + 1) <= CONNECTION_LIMITS[role]


def test_more_pools_than_connections_are_refused() -> None:
    """With the role, and what it has."""
    with pytest.raises(ValueError, match=r"4 PgBouncers, .* archiver's 4 connections"):
        pool_size(Role.ARCHIVER, 4)


def test_pool_trusts_nobody() -> None:
    """TLS on both sides with names checked, SCRAM, no socket, no administrator, no user of the pool's own."""
    settings = _ini()["pgbouncer"]

    assert settings["client_tls_sslmode"] == "require"
    assert settings["server_tls_sslmode"] == "verify-full"
    assert settings["auth_type"] == "scram-sha-256"
    assert settings["unix_socket_dir"] == ""
    assert "admin_users" not in settings
    assert settings["stats_users"] == "operator, operator_b"
    assert "user=" not in _ini()["databases"][contract.POSTGRESQL_DATABASE]
    assert Role.OWNER not in pgbouncer.POOLED_ROLES
