"""redis.conf: TLS only, nothing thrown away, everything on disk; alone, or as one of those that Sentinel watches."""

from __future__ import annotations

from typing import Literal

from app import contract

Topology = Literal["single", "sentinel"]
#: When the append-only file is on disk: `everysec` may lose the last two seconds, `always` nothing that was answered.
Sync = Literal["everysec", "always"]

#: Where the image expects the role's secrets, and keeps its data.
SECRETS = "/run/secrets/millrace"
DATA = "/var/lib/redis"
#: Of the container's memory, for data. The rest is for what Redis does not count: the copies that a rewrite of the
#: append-only file makes, and the buffers of replicas.
_DATA_SHARE = 0.75
#: Of the container's memory, for clients; each has buffers and TLS.
_CLIENTS_SHARE = 0.25
_CLIENT_BYTES = 64 * 1024


def clients_room(memory_bytes: int) -> int:
    """Clients that a container of `memory_bytes` has room for."""
    return int(memory_bytes * _CLIENTS_SHARE) // _CLIENT_BYTES


def memory_for(clients: int) -> int:
    """Bytes of memory that give room for so many."""
    return int(clients * _CLIENT_BYTES / _CLIENTS_SHARE)


def tls(port: int) -> list[str]:
    """No plain port at all. Clients prove themselves with a user and a password (ACL), not with a certificate."""
    return [
        "port 0",
        f"tls-port {port}",
        "bind * -::*",
        f"tls-cert-file {SECRETS}/tls.crt",
        f"tls-key-file {SECRETS}/tls.key",
        f"tls-ca-cert-file {SECRETS}/ca.crt",
        "tls-auth-clients no",
        'tls-protocols "TLSv1.2 TLSv1.3"',
    ]


def redis_conf(memory_bytes: int, max_clients: int, topology: Topology = "single", *, sync: Sync = "everysec") -> str:
    """The settings of every node, in a container of `memory_bytes`."""
    lines = [
        f"# Redis, {topology}. Made by infra.servers.redis_conf.",
        *tls(contract.PORT_REDIS),
        "",
        "# The default user is off; each role has the commands it needs. Hashes only.",
        f"aclfile {SECRETS}/users.acl",
        "",
        "# What is in here may not be thrown away to make room: a full Redis refuses writes.",
        f"maxmemory {int(memory_bytes * _DATA_SHARE)}",
        "maxmemory-policy noeviction",
        f"maxclients {max_clients}",
        "",
        "appendonly yes",
        f"appendfsync {sync}",
        'save ""',
        f"dir {DATA}",
        *(_replication(memory_bytes) if topology == "sentinel" else ()),
        "",
        "daemonize no",
        'logfile ""',
        "loglevel notice",
        "timeout 0",
        "tcp-keepalive 30",
        "",
    ]
    return "\n".join(lines)


def _replication(memory_bytes: int) -> list[str]:
    return [
        "",
        "tls-replication yes",
        "# A primary that was cut off from the others refuses writes, which would be lost when it comes back.",
        "min-replicas-to-write 1",
        "min-replicas-max-lag 10",
        "# A slow replica is dropped before its buffer takes the memory that is left.",
        f"client-output-buffer-limit replica {memory_bytes // 8} {memory_bytes // 16} 60",
        f"repl-backlog-size {memory_bytes // 32}",
    ]
