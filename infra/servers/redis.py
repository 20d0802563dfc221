"""Redis' access list: who may run which command on which keys."""

from __future__ import annotations

from collections.abc import Mapping

from app.contract import Role
from infra.servers import hashes
from infra.servers.logins import Accepted

#: Rate limits: throttled-py's keys and ours.
_LIMITS = "~throttled:* ~millrace:*"
CONNECT = "+@connection -client +client|setinfo +client|setname"
#: What a limiter needs: scripts and the plain commands inside them, nothing that looks at other keys.
_LIMITER = (
    f"{CONNECT} +eval +evalsha +script|load +script|exists +time "
    "+get +set +setex +del +incrby +incrbyfloat +expire +pexpire +ttl +pttl +exists +hget +hmget +hset +hincrby "
    "+multi +exec +mget"
)
#: The gateway reads results, which callers poll, and never writes them.
_POLLED = "%R~celery-task-meta-*"
#: Results and their notices, counters of chords: the names that Celery's Redis backend gives them.
_RESULTS = "~celery-task-meta-* ~celery-taskset-meta-* &celery-task-meta-*"
#: The commands of that backend and its scripts: they store and read results, count parts of chords, notify clients.
_BACKEND = (
    f"{CONNECT} +evalsha +script|load +multi +exec +get +mget +set +setex +del +exists +expire +incrby "
    "+sismember +sadd +zadd +zcount +zrange +publish +subscribe +unsubscribe"
)
#: Keys of rate limits and warm caches that tasks share, and the commands of their scripts (`app/patterns`).
_PATTERNS = "~limit:* ~cache:*"
_SHARED = (
    "+time +pexpire +hget +hset +zadd +zrem +zcard +zscore +zrank +zrange +zremrangebyscore +zremrangebyrank +incr"
)
#: No keys, no channels, no commands: what is allowed comes after.
NOTHING = "resetkeys resetchannels -@all"
#: The default user is off: nobody can log in as this user, and a client that has not logged in is refused. But Redis
#: loads its append-only file as this user, and drops every transaction and script that the user may not execute: a
#: chord's parts were lost in a restart (8.x logs "ACLs rules changed between the moment the transaction was accumulated
#: and the EXEC call").
READS_THE_FILE = "allkeys +@write +select"

RULES: dict[Role, str] = {
    Role.GATEWAY: f"resetkeys resetchannels {_LIMITS} {_POLLED} -@all {_LIMITER} +strlen",
    Role.WORKER: f"resetkeys resetchannels {_RESULTS} {_PATTERNS} -@all {_BACKEND} {_SHARED}",
    Role.OPERATOR: "allkeys allchannels +@all",
    Role.PROBE: f"{NOTHING} +ping +info",
    # Only where there are several: what Redis' documentation says each of the two needs.
    Role.REPLICA: f"{NOTHING} +psync +replconf +ping",
    Role.SENTINEL: "resetkeys allchannels -@all +multi +exec +slaveof +ping +subscribe +config|rewrite +role +publish "
    "+info +client|setname +client|kill +script|kill",
}

#: What clients may do, for a server that has users of its own kind for the rest.
CLIENTS: Mapping[str, str] = {str(role): RULES[role] for role in (Role.GATEWAY, Role.WORKER, Role.OPERATOR)}


def users_acl(passwords: Mapping[Role, Accepted]) -> str:
    """Redis' ACL file; a role without a password gets no user."""
    return acl_file(passwords, RULES, default=f"{NOTHING} {READS_THE_FILE}")


def acl_file(passwords: Mapping[Role, Accepted], rules: Mapping[Role, str], *, default: str = NOTHING) -> str:
    """An ACL file; a role without a password gets no user, and one whose password is rotated has two.

    The default user, for clients without a name, is off.
    """
    lines = [f"user default off resetpass {default}"]
    lines += [
        f"user {role} reset on {' '.join(hashes.redis(word) for word in passwords[role].values())} {rule}"
        for role, rule in rules.items()
        if role in passwords
    ]
    return "\n".join(lines) + "\n"
