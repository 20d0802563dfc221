"""PostgreSQL's settings and roles, and the pool in front of it."""

from __future__ import annotations

import configparser
from collections.abc import Collection

import pytest

from app import contract
from app.contract import Role
from infra.servers import capacity, hashes
from infra.servers.capacity import POOLED_ROLES, Fleet, Workers
from infra.servers.pgbouncer import pgbouncer_ini, userlist
from infra.servers.postgresql import roles_sql
from infra.servers.postgresql_conf import hba_rules, pg_hba_conf, postgresql_conf, tuning

GIB = 1024**3
FLEET = Fleet(gateways=2, relays=2, queues=3, workers=(Workers(pods=3, children=4),), poolers=2)
LIMITS = capacity.session_limits(FLEET)
PASSWORDS = {role: {str(role): f"secret-of-{role}"} for role in contract.POSTGRESQL_ROLES}


def _ini(rotated: Collection[Role] = ()) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(pgbouncer_ini("postgresql.millrace-data.svc", FLEET, rotated))
    return parser


def test_accepted_means_committed() -> None:
    """Law 1 is a setting, whatever the memory."""
    for memory in (GIB // 4, GIB, 64 * GIB):
        settings = tuning(memory, LIMITS)
        assert {settings[name] for name in ("fsync", "synchronous_commit", "full_page_writes")} == {"on"}


def test_memory_is_shared_out() -> None:
    """A quarter is PostgreSQL's own."""
    assert tuning(GIB, LIMITS)["shared_buffers"] == "256MB"
    assert tuning(4 * GIB, LIMITS)["shared_buffers"] == "1024MB"
    with pytest.raises(ValueError, match="PostgreSQL needs"):
        tuning(GIB // 8, LIMITS)


def test_connections_of_all_roles_fit() -> None:
    """The last role to come must not find the server full, nor the superuser."""
    found = tuning(GIB, LIMITS)
    assert sum(LIMITS.values()) + int(found["superuser_reserved_connections"]) == int(found["max_connections"])
    for role in contract.POSTGRESQL_ROLES:
        assert f"ALTER ROLE {role} LOGIN" in roles_sql(PASSWORDS, LIMITS)
        assert f"CONNECTION LIMIT {LIMITS[role]};" in roles_sql(PASSWORDS, LIMITS)


def test_no_parameter_is_in_the_log() -> None:
    """A statement that takes long is logged, and its parameters are somebody's payload."""
    found = tuning(GIB, LIMITS)
    assert found["log_min_duration_statement"] == "1s"
    assert (found["log_parameter_max_length"], found["log_parameter_max_length_on_error"]) == ("0", "0")


def test_tls_or_nothing() -> None:
    """Every line for the network asks for TLS and SCRAM; the superuser has none."""
    assert "ssl = 'on'" in postgresql_conf(GIB, LIMITS)
    for line in hba_rules():
        kind, _, _, _, method = line.split()
        assert (kind, method) in {("hostssl", "scram-sha-256"), ("hostnossl", "reject")}
    assert [line for line in pg_hba_conf().splitlines() if line.startswith("local")] == ["local all millrace peer"]


def test_an_operator_is_told_nothing_that_is_its_own() -> None:
    """CloudNativePG refuses a cluster that sets where files lie, who listens, or TLS."""
    forbidden = ("ssl", "data_directory", "hba_file", "listen_addresses", "port", "unix_socket", "log_destination")
    assert not [name for name in tuning(GIB, LIMITS) if name.startswith(forbidden)]


@pytest.mark.parametrize("setting", ["statement_timeout", "tcp_user_timeout"])
def test_every_role_has_a_limit_in_time_but_those_who_read_long(setting: str) -> None:
    """A pooled connection has no settings of its own."""
    text = roles_sql(PASSWORDS, LIMITS)
    unlimited = [role for role in contract.POSTGRESQL_ROLES if f"ALTER ROLE {role} SET {setting} = '0s'" in text]

    assert unlimited == [Role.AUDITOR, Role.BACKUP]
    assert "secret-of" not in text


def test_the_pool_has_the_same_verifiers() -> None:
    """Byte for byte, or the key of a client's login does not open the server; and no password in plain."""
    text, roles = userlist(PASSWORDS), roles_sql(PASSWORDS, LIMITS)
    for role in POOLED_ROLES:
        verifier = hashes.postgresql(PASSWORDS[role][role])
        assert f'"{role}" "{verifier}"\n' in text
        assert verifier in roles
    assert "secret-of" not in text


@pytest.mark.parametrize("rotated", [(), (Role.WORKER,)])
def test_every_login_that_comes_this_way_has_a_pool(rotated: tuple[Role, ...]) -> None:
    """Of its role's size; two logins in a rotation share it."""
    pools = _ini(rotated)["users"]
    assert set(pools) == {login for role in POOLED_ROLES for login in contract.logins(role)}
    for role in POOLED_ROLES:
        size = capacity.pool_size(FLEET, role)
        sizes = [int(pools[login].removeprefix("pool_size=")) for login in contract.logins(role)]
        if role in rotated:
            assert size - 1 <= sum(sizes) <= size
        else:
            assert sizes == [size, size]


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
    assert Role.OWNER not in POOLED_ROLES
