"""postgresql.conf and pg_hba.conf. What the promises rest on is said even where it is the default.

`tuning` is also what an operator (CloudNativePG) may be given: where files lie and who listens where is its business.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from app import contract
from app.contract import Role
from infra.servers.capacity import SUPERUSER_CONNECTIONS, max_connections

SECRETS = "/run/secrets/millrace"
DATA = "/var/lib/postgresql/data"
_MIB = 1024 * 1024
#: Below this, PostgreSQL's share leaves nothing for sessions.
MEMORY_BYTES_MIN = 256 * _MIB
#: Of a session, beside the shared buffers: 1.8 MiB after a sort and with prepared statements (measured); and TLS
SESSION_BYTES = 5 * _MIB // 2
#: Of the memory, for sessions. A quarter is for the shared buffers, the rest for the kernel's cache and maintenance.
_SESSIONS_SHARE = 0.625


def sessions_room(memory_bytes: int) -> int:
    """Sessions that a container of `memory_bytes` has room for."""
    return int(memory_bytes * _SESSIONS_SHARE) // SESSION_BYTES


def memory_for(sessions: int) -> int:
    """Bytes of memory that give room for so many."""
    return math.ceil(sessions * SESSION_BYTES / _SESSIONS_SHARE / _MIB) * _MIB


def tuning(memory_bytes: int, limits: Mapping[Role, int]) -> dict[str, str]:
    """Settings by name, for a container of `memory_bytes`, and for roles that may have so many sessions.

    Raises:
        ValueError: the memory is too little.
    """
    if memory_bytes < MEMORY_BYTES_MIN:
        raise ValueError(f"{memory_bytes} bytes of memory; PostgreSQL needs {MEMORY_BYTES_MIN}")
    return {
        "max_connections": str(max_connections(limits)),
        "superuser_reserved_connections": str(SUPERUSER_CONNECTIONS),
        "password_encryption": "scram-sha-256",
        # Accepted means committed (law 1): none of these three is for sale.
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        **_memory(memory_bytes),
        "wal_compression": "lz4",
        "max_wal_size": "2GB",
        "min_wal_size": "256MB",
        "checkpoint_timeout": "10min",
        "checkpoint_completion_target": "0.9",
        # The outbox is a queue in a table: its dead rows must go quickly.
        "autovacuum_naptime": "15s",
        "autovacuum_vacuum_scale_factor": "0.05",
        "autovacuum_vacuum_cost_delay": "1ms",
        # A transaction that somebody forgot must not hold back vacuum or a lock.
        "idle_in_transaction_session_timeout": "60s",
        # The locks of a client whose node is gone end with its session: whoever executes its messages again waits for
        # them, and soon every process of a worker does. While an answer is on its way keepalives rest, and the roles'
        # tcp_user_timeout counts (postgresql.py).
        "tcp_keepalives_idle": "2",
        "tcp_keepalives_interval": "1",
        "tcp_keepalives_count": f"{contract.PEER_LOST_SECONDS}",
        "client_connection_check_interval": "10s",
        "log_min_duration_statement": "1s",
        # Their values are somebody's payload: a log is no place for it.
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "log_checkpoints": "off",
        "log_lock_waits": "on",
        "log_timezone": "UTC",
        "timezone": "UTC",
    }


def _memory(memory_bytes: int) -> dict[str, str]:
    mib = memory_bytes // _MIB
    return {
        # A quarter for PostgreSQL's own cache; the kernel's cache has most of the rest.
        "shared_buffers": f"{mib // 4}MB",
        "effective_cache_size": f"{mib * 3 // 4}MB",
        "work_mem": f"{max(mib // 128, 1)}MB",
        "maintenance_work_mem": f"{max(mib // 16, 16)}MB",
        "wal_buffers": "16MB",
        # /dev/shm of a container is small: no huge pages, no parallel workers.
        "huge_pages": "off",
        "max_parallel_workers_per_gather": "0",
        "jit": "off",
    }


def postgresql_conf(memory_bytes: int, limits: Mapping[Role, int]) -> str:
    """The file of our own image."""
    fixed = {
        "data_directory": DATA,
        "hba_file": "/etc/millrace/pg_hba.conf",
        "listen_addresses": "*",
        "port": str(contract.PORT_POSTGRESQL),
        "unix_socket_directories": "/run/postgresql",
        "unix_socket_permissions": "0700",
        "ssl": "on",
        "ssl_cert_file": f"{SECRETS}/tls.crt",
        "ssl_key_file": f"{SECRETS}/tls.key",
        "ssl_ca_file": f"{SECRETS}/ca.crt",
        "ssl_min_protocol_version": "TLSv1.2",
        "dynamic_shared_memory_type": "posix",
        "log_destination": "stderr",
        "logging_collector": "off",
        "log_line_prefix": "%m [%p] %q%u@%d ",
    }
    head = "# PostgreSQL. Made by infra.servers.postgresql_conf.\n"
    return head + _lines(fixed) + _lines(tuning(memory_bytes, limits))


def _lines(settings: Mapping[str, str]) -> str:
    return "".join(f"{name} = '{value}'\n" for name, value in settings.items())


def hba_rules() -> tuple[str, ...]:
    """Who may log in over the network: our roles, over TLS, with a SCRAM password, into this database only."""
    roles = ",".join(login for role in contract.POSTGRESQL_ROLES for login in contract.logins(role))
    return (
        f"hostssl {contract.POSTGRESQL_DATABASE} {roles} all scram-sha-256",
        # Said out loud, although no match means no: without TLS nobody comes in.
        "hostnossl all all all reject",
    )


def pg_hba_conf() -> str:
    """The file of our own image. First match wins."""
    lines = [
        "# Made by infra.servers.postgresql_conf.",
        "# The superuser exists only on the socket inside the container, for the entry point and for `docker exec`.",
        "local all millrace peer",
        *hba_rules(),
        "",
    ]
    return "\n".join(lines)
