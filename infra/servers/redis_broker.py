"""The access list of the Redis that is a broker: each role has the commands it calls, on the keys it uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from app import contract
from app.contract import Role
from infra.servers.logins import Accepted
from infra.servers.redis import CONNECT, NOTHING, READS_THE_FILE, acl_file

#: What `app/brokers/redis/*.lua` call, and the transport beside them.
_TAKES = "+evalsha +script|load +time +rpop +rpush +lpush +hincrby +hset +hget +hdel +zadd +zrange +zrem"
_COUNTS = "+llen +hlen +multi +exec"


def _on(keys: Iterable[str]) -> str:
    return f"resetkeys resetchannels {' '.join(f'~{key}' for key in keys)}"


def rules(queues: Sequence[str]) -> dict[Role, str]:
    """Who may do what with these queues."""
    of_queues = [contract.redis_keys(queue) for queue in queues]
    counted = " ".join(f"%R~{key}" for keys in of_queues for key in (keys.held, keys.dead))
    return {
        Role.TOPOLOGY: f"{NOTHING} {CONNECT}",
        Role.RELAY: f"{_on(keys.waiting for keys in of_queues)} {counted} -@all {CONNECT} +lpush {_COUNTS}",
        # Every queue, because a task may send to another one.
        Role.WORKER: f"{_on(key for keys in of_queues for key in keys)} -@all {CONNECT} {_TAKES} +blmove +multi +exec",
        Role.ARCHIVER: f"{_on(keys.dead for keys in of_queues)} -@all {CONNECT} +llen +lrange +lrem",
        # KEDA looks by a script (EVAL), for which Redis asks for the right to write its keys: no command here does.
        Role.KEDA: f"{_on(key for keys in of_queues for key in (keys.waiting, keys.held))} -@all {CONNECT} "
        "+eval +type +llen +hlen",
        Role.OPERATOR: "allkeys allchannels +@all",
        Role.PROBE: f"{NOTHING} +ping +info",
    }


def users_acl(passwords: Mapping[Role, Accepted], queues: Sequence[str]) -> str:
    """The ACL file; a role without a password gets no user."""
    return acl_file(passwords, rules(queues), default=f"{NOTHING} {READS_THE_FILE}")
