"""RabbitMQ's users: one a role, and one an outsider, with the permissions of its work and no others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from app import contract
from app.contract import Queue, Role
from infra.servers import hashes
from infra.servers.logins import Accepted, logins
from infra.servers.rabbitmq.outsiders import PRODUCER_MAX_CONNECTIONS, Outsider, control_names, routing_keys

NOTHING = "^$"


@dataclass(frozen=True)
class Permissions:
    """Regular expressions over the names of queues and exchanges; `NOTHING` by default."""

    configure: str = NOTHING
    write: str = NOTHING
    read: str = NOTHING


def _one_of(*patterns: str) -> str:
    return f"^({'|'.join(patterns)})$"


_TASKS = re.escape(contract.TASKS_EXCHANGE)
_DEAD = re.escape(contract.DEAD_LETTER_EXCHANGE)
#: The delay ladder: exchanges and queues celery_delayed_0 to _27, and celery_delayed_delivery.
_LADDER = "celery_delayed_.*"
#: Remote control and its replies; one control queue a worker, named afresh at each connection.
_CONTROL = (r".*celery\.pidbox.*",)
_EVENTS = (r"celeryev", r"celeryev\..*")


def permissions(queues: Sequence[Queue]) -> dict[Role, Permissions]:
    """Of every user, in a vhost with these queues."""
    work = [re.escape(queue.name) for queue in queues]
    ours = [re.escape(queue.name) for queue in queues if not queue.foreign]
    dead = [re.escape(contract.dead_letter_queue(queue.name)) for queue in queues]
    return {
        # Declares and binds: binding writes to the queue and reads from the exchange.
        Role.TOPOLOGY: Permissions(
            configure=_one_of(*work, *dead, _TASKS, _DEAD, _LADDER),
            write=_one_of(*work, *dead, _TASKS, _DEAD, _LADDER),
            read=_one_of(*work, *dead, _TASKS, _DEAD, _LADDER),
        ),
        # Publishes, and asks for the length of queues, which needs `write` on them, as for beat below.
        Role.RELAY: Permissions(write=_one_of(_TASKS, re.escape(contract.DELAY_LADDER_EXCHANGE), *work)),
        # Reads its queues, publishes tasks (chains, and retries through the delay ladder), answers remote control. What
        # it may configure is its own control queue and Celery's control exchanges, never a work queue: the topology
        # does.
        Role.WORKER: Permissions(
            configure=_one_of(*_CONTROL, *_EVENTS),
            write=_one_of(_TASKS, re.escape(contract.DELAY_LADDER_EXCHANGE), *_CONTROL, *_EVENTS),
            read=_one_of(*ours, *_CONTROL, *_EVENTS),
        ),
        Role.ARCHIVER: Permissions(read=_one_of(*dead)),
        # Watches events, asks workers what they do. `--read-only` keeps its buttons away; this keeps its hands off
        # tasks.
        Role.FLOWER: Permissions(
            configure=_one_of(*_CONTROL, *_EVENTS),
            write=_one_of(*_CONTROL, *_EVENTS),
            read=_one_of(*_CONTROL, *_EVENTS),
        ),
        # Publishes nothing: it writes messages into the outbox. `write` on a queue lets it ask whether the queue has
        # consumers. It would also let it bind the queue, but that needs `read` on an exchange, which it does not have.
        Role.BEAT: Permissions(write=_one_of(*work)),
        # Over HTTP they see the queues of a vhost only with a permission in it, be it for nothing.
        Role.PROMETHEUS: Permissions(),
        Role.KEDA: Permissions(),
        Role.OPERATOR: Permissions(configure=".*", write=".*", read=".*"),
    }


def outsider_permissions(outsider: Outsider) -> Permissions:
    """An outsider's permissions; `outsiders.routing_keys` restricts further what it publishes."""
    publish = (_TASKS, re.escape(contract.DELAY_LADDER_EXCHANGE))
    if outsider.reads is None:
        return Permissions(write=_one_of(*publish))
    control = control_names(outsider)
    return Permissions(
        configure=_one_of(control),
        write=_one_of(*publish, control),
        read=_one_of(re.escape(outsider.reads), control),
    )


#: What the management API and the metrics show to whom.
TAGS: dict[Role, list[str]] = {
    # It looks for queues that are not declared any more, and for what they hold.
    Role.TOPOLOGY: ["management"],
    Role.PROMETHEUS: ["monitoring"],
    # Less than `monitoring`, which also shows connections and nodes.
    Role.KEDA: ["management"],
    Role.OPERATOR: ["administrator"],
}

#: Connections a role may hold over all nodes, beside those that scale (capacity.broker_limits). Fuses: a leak stops its
#: role alone. Roles that speak only HTTP have 0.
MAX_CONNECTIONS: Mapping[Role, int] = {
    Role.TOPOLOGY: 10,
    Role.ARCHIVER: 20,
    Role.FLOWER: 50,
    Role.BEAT: 10,
    Role.PROMETHEUS: 0,
    Role.KEDA: 0,
    Role.OPERATOR: 50,
}


class NoPasswordError(ValueError):
    """A user without a password; RabbitMQ would make one that anybody can be."""


def user_definitions(
    passwords: Mapping[Role, Accepted],
    queues: Sequence[Queue],
    limits: Mapping[Role, int],
    outsiders: Mapping[Outsider, Accepted] = MappingProxyType({}),
) -> dict[str, Any]:
    """Users and permissions. With users defined there is no default user: RabbitMQ makes `guest` only without.

    Args:
        passwords: of each role.
        queues: of the vhost.
        limits: connections of the roles that scale.
        outsiders: programs that are not ours, with their passwords.

    Raises:
        NoPasswordError: somebody has none.
    """
    roles = permissions(queues)
    most = {**MAX_CONNECTIONS, **limits}
    known = {str(role): passwords.get(role, {}) for role in roles} | {one.user: word for one, word in outsiders.items()}
    if missing := [user for user, accepted in known.items() if not accepted or not all(accepted.values())]:
        raise NoPasswordError(f"no password for {', '.join(missing)}")
    return {
        "users": [
            *(
                _user(login, password, most[role], TAGS.get(role))
                for role in roles
                for login, password in logins(role, passwords[role]).items()
            ),
            *(
                _user(login, password, one.max_connections)
                for one, accepted in outsiders.items()
                for login, password in logins(one.user, accepted).items()
            ),
        ],
        "permissions": [
            *(_permission(login, allowed) for role, allowed in roles.items() for login in contract.logins(role)),
            *(
                _permission(login, outsider_permissions(one))
                for one in outsiders
                for login in contract.logins(one.user)
            ),
        ],
        "topic_permissions": [
            {"user": login, "vhost": contract.VHOST, "exchange": exchange, "write": keys, "read": NOTHING}
            for one in outsiders
            for login in contract.logins(one.user)
            for exchange, keys in routing_keys(one).items()
        ],
    }


def owner_definitions(passwords: Mapping[str, str]) -> dict[str, Any]:
    """Users that may do everything in the vhost: for a cluster of a program that declares its own queues."""
    every = Permissions(configure=".*", write=".*", read=".*")
    return {
        "users": [_user(user, password, PRODUCER_MAX_CONNECTIONS) for user, password in passwords.items()],
        "permissions": [_permission(user, every) for user in passwords],
    }


def _permission(user: str, allowed: Permissions) -> dict[str, str]:
    return {
        "user": user,
        "vhost": contract.VHOST,
        "configure": allowed.configure,
        "write": allowed.write,
        "read": allowed.read,
    }


def _user(name: str, password: str | None, most_connections: int, tags: Sequence[str] | None = None) -> dict[str, Any]:
    """A salted hash: no password stands in the definitions. An import removes no user: a login is locked instead."""
    return {
        "name": name,
        "password_hash": hashes.RABBITMQ_LOCKED if password is None else hashes.rabbitmq(password),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": list(tags or ()) if password is not None else [],
        "limits": {"max-connections": most_connections},
    }
