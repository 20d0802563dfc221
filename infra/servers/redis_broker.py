"""The access list of the Redis that is a broker: each role has the commands it calls, on the keys it uses."""

from __future__ import annotations

from collections.abc import Mapping

from app import contract
from app.contract import Role
from infra.servers.logins import Accepted
from infra.servers.redis import CONNECT, NOTHING, READS_THE_FILE, acl_file

_QUEUES = tuple(contract.redis_keys(queue) for queue in contract.queue_names())


def _keys(*names: str) -> str:
    return " ".join(f"~{name}" for name in names)


_WAITING = _keys(*(keys.waiting for keys in _QUEUES))
_DEAD = _keys(*(keys.dead for keys in _QUEUES))
#: A relay counts them.
_COUNTED = " ".join(f"%R~{key}" for keys in _QUEUES for key in (keys.held, keys.dead))
#: Of every queue, because a task may send to another one.
_ALL = _keys(*(key for keys in _QUEUES for key in keys))
#: What `app/brokers/redis/*.lua` call, and the transport beside them.
_TAKES = "+evalsha +script|load +time +rpop +rpush +lpush +hincrby +hset +hget +hdel +zadd +zrange +zrem"

RULES: dict[Role, str] = {
    Role.TOPOLOGY: f"{NOTHING} {CONNECT}",
    Role.RELAY: f"resetkeys resetchannels {_WAITING} {_COUNTED} -@all {CONNECT} +lpush +llen +hlen +multi +exec",
    Role.WORKER: f"resetkeys resetchannels {_ALL} -@all {CONNECT} {_TAKES} +blmove +multi +exec",
    Role.ARCHIVER: f"resetkeys resetchannels {_DEAD} -@all {CONNECT} +llen +lrange +lrem",
    Role.OPERATOR: "allkeys allchannels +@all",
    Role.PROBE: f"{NOTHING} +ping +info",
}


def users_acl(passwords: Mapping[Role, Accepted]) -> str:
    """The ACL file; a role without a password gets no user."""
    return acl_file(passwords, RULES, default=f"{NOTHING} {READS_THE_FILE}")
