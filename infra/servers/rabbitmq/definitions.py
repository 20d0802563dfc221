"""The folder of definitions that every node imports at its start: what is secret (users) and what is not (vhost).

An import adds and changes; it removes nothing. RabbitMQ reads every file of the folder in order of its name, and gives
up without a word at what is not one: so the folder holds these two and no link of a Kubernetes volume (project the
files with the folder in their paths, and the folder itself is plain).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from app.contract import Queue, Role
from infra.servers.logins import Accepted
from infra.servers.rabbitmq.cluster import CONSUMER_TIMEOUT_SECONDS
from infra.servers.rabbitmq.outsiders import Outsider
from infra.servers.rabbitmq.users import owner_definitions, user_definitions
from infra.servers.rabbitmq.vhost import CONNECTIONS, vhost_definitions

#: Below the folder of the node's secrets.
FOLDER = "definitions"
#: The vhost first: permissions in a vhost that is not there are refused.
VHOST_FILE = "10-vhost.json"
USERS_FILE = "20-users.json"


def vhost_file(
    queues: Sequence[Queue],
    consumer_timeout_seconds: int = CONSUMER_TIMEOUT_SECONDS,
    *,
    connections: int = CONNECTIONS,
) -> str:
    """Vhost, limits and policies: no secret."""
    return _json(vhost_definitions(queues, consumer_timeout_seconds, connections=connections))


def users_file(
    passwords: Mapping[Role, Accepted],
    queues: Sequence[Queue],
    limits: Mapping[Role, int],
    outsiders: Mapping[Outsider, Accepted] = MappingProxyType({}),
) -> str:
    """Users with hashes of their passwords, and their permissions: a secret."""
    return _json(user_definitions(passwords, queues, limits, outsiders))


def owners_file(passwords: Mapping[str, str]) -> str:
    """Users that own the vhost, by their passwords: a secret."""
    return _json(owner_definitions(passwords))


def _json(definitions: Mapping[str, Any]) -> str:
    return json.dumps(definitions, indent=2) + "\n"
