"""Redis' access list: who may run which command on which keys."""

from __future__ import annotations

from collections.abc import Mapping

from app.contract import Role
from infra.servers import hashes

#: Rate limits: throttled-py's keys and ours.
_LIMITS = "~throttled:* ~millrace:*"
_CONNECT = "+@connection -client +client|setinfo +client|setname"
#: What a limiter needs: scripts and the plain commands inside them, nothing that looks at other keys.
_LIMITER = (
    f"{_CONNECT} +eval +evalsha +script|load +script|exists +time "
    "+get +set +setex +del +incrby +incrbyfloat +expire +pexpire +ttl +pttl +exists +hget +hmget +hset +hincrby "
    "+multi +exec +mget"
)
#: Results and their notices, counters of chords: the names that Celery's Redis backend gives them.
_RESULTS = "~celery-task-meta-* ~celery-taskset-meta-* &celery-task-meta-*"
#: What that backend does with them, in its scripts too: store and read, count the parts of a chord, tell who waits.
_BACKEND = (
    f"{_CONNECT} +evalsha +script|load +multi +exec +get +mget +set +setex +del +exists +expire +incrby "
    "+sismember +sadd +zadd +zcount +zrange +publish +subscribe +unsubscribe"
)
#: No keys, no channels, no commands: what is allowed comes after.
_NOTHING = "resetkeys resetchannels -@all"
#: The default user is off: nobody can be it, and who has not logged in is refused. But Redis reads its append-only file
#: as this user, and drops each transaction and each script's effects that it may not execute: a chord's parts were gone
#: after a restart (8.x; "ACLs rules changed between the moment the transaction was accumulated and the EXEC call").
_READS_THE_FILE = "allkeys +@write +select"

RULES: dict[Role, str] = {
    Role.GATEWAY: f"resetkeys resetchannels {_LIMITS} -@all {_LIMITER}",
    Role.WORKER: f"resetkeys resetchannels {_RESULTS} -@all {_BACKEND}",
    Role.OPERATOR: "allkeys allchannels +@all",
    Role.PROBE: f"{_NOTHING} +ping +info",
    # Only where there are several: what Redis' documentation says each of the two needs.
    Role.REPLICA: f"{_NOTHING} +psync +replconf +ping",
    Role.SENTINEL: "resetkeys allchannels -@all +multi +exec +slaveof +ping +subscribe +config|rewrite +role +publish "
    "+info +client|setname +client|kill +script|kill",
}


def users_acl(passwords: Mapping[Role, str]) -> str:
    """Redis' ACL file of those who have a password."""
    return acl_file(passwords, RULES, default=f"{_NOTHING} {_READS_THE_FILE}")


def acl_file(passwords: Mapping[Role, str], rules: Mapping[Role, str], *, default: str = _NOTHING) -> str:
    """An ACL file of those who have a password. The default user, whom a client without a name would be, is off."""
    lines = [f"user default off resetpass {default}"]
    lines += [
        f"user {role} reset on {hashes.redis(passwords[role])} {rule}"
        for role, rule in rules.items()
        if role in passwords
    ]
    return "\n".join(lines) + "\n"
