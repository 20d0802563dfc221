"""PgBouncer: few connections to PostgreSQL for many processes, a transaction at a time, under each process's own role.

It holds no password. A client proves itself with SCRAM against the same verifier that PostgreSQL has, and from that
proof PgBouncer gets the key with which it logs in there as the same role: so the verifiers must be identical.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from app import contract
from app.contract import Role
from infra.servers import hashes
from infra.servers.capacity import POOLED_ROLES, Fleet, pool_size, pooler_clients
from infra.servers.logins import Accepted, logins

SECRETS = "/run/secrets/millrace"


def userlist(passwords: Mapping[Role, Accepted]) -> str:
    """userlist.txt: the verifiers of the logins that are accepted, as PostgreSQL has them."""
    return "".join(
        f'"{login}" "{hashes.postgresql(password)}"\n'
        for role in POOLED_ROLES
        for login, password in logins(role, passwords[role]).items()
        if password is not None
    )


def pgbouncer_ini(server_host: str, fleet: Fleet, rotated: Collection[str] = (), authority: str = "ca.crt") -> str:
    """pgbouncer.ini of each of the fleet's PgBouncers, in front of `server_host`.

    The file `authority` of the secrets has who certifies that.

    The two logins of a role in `rotated`, whose password is rotated, share the connections of the role.
    """
    database = contract.POSTGRESQL_DATABASE
    lines = [
        "; Made by infra.servers.pgbouncer.",
        "[databases]",
        "; No user here: the key of the client's own login opens the server.",
        f"{database} = host={server_host} port={contract.PORT_POSTGRESQL} dbname={database}",
        "",
        "[users]",
        *(
            f"{login} = pool_size={max(1, pool_size(fleet, role) // (2 if role in rotated else 1))}"
            for role in POOLED_ROLES
            for login in contract.logins(role)
        ),
        "",
        "[pgbouncer]",
        "listen_addr = *",
        f"listen_port = {contract.PORT_POSTGRESQL}",
        "; No socket: through it this user would be the console's administrator, without a password.",
        "unix_socket_dir =",
        "auth_type = scram-sha-256",
        f"auth_file = {SECRETS}/userlist.txt",
        "; SHOW only, for the person with the runbook; nobody changes settings.",
        f"stats_users = {', '.join(contract.logins(Role.OPERATOR))}",
        "",
        "client_tls_sslmode = require",
        f"client_tls_cert_file = {SECRETS}/tls.crt",
        f"client_tls_key_file = {SECRETS}/tls.key",
        "client_tls_protocols = secure",
        "; The server's name is checked as the processes check it.",
        "server_tls_sslmode = verify-full",
        f"server_tls_ca_file = {SECRETS}/{authority}",
        "server_tls_protocols = secure",
        "",
        "pool_mode = transaction",
        "; psycopg prepares statements by name; each server connection learns the names it is asked for.",
        "max_prepared_statements = 200",
        "default_pool_size = 1",
        f"max_client_conn = {pooler_clients(fleet)}",
        "",
        "; A server that is away is said to be away about as soon as a process without a pool would see it:",
        "; the gateway answers 503, workers wait in place.",
        "query_wait_timeout = 3",
        "server_connect_timeout = 3",
        "server_login_retry = 1",
        "client_login_timeout = 5",
        "; A server that vanished without a word.",
        "tcp_keepidle = 2",
        "tcp_keepintvl = 1",
        f"tcp_keepcnt = {contract.SERVER_PEER_LOST_SECONDS}",
        f"tcp_user_timeout = {contract.SERVER_PEER_LOST_SECONDS * 1000}",
        "; A name that moved to another address is followed soon.",
        "dns_max_ttl = 5",
        "dns_nxdomain_ttl = 1",
        "",
        "; Connections come and go all the time; failures are said either way.",
        "log_connections = 0",
        "log_disconnections = 0",
        "log_stats = 0",
        "",
    ]
    return "\n".join(lines)
