"""Addresses and logins of the servers the application talks to; `backends` fills them in, whatever the stack chose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.volumes import Files


@dataclass(frozen=True)
class Watched:
    """What KEDA looks at to know how much is in a queue."""

    triggers: Sequence[Mapping[str, Any]]
    #: A ScaledObject's `scalingModifiers`: one number of several triggers, by their names.
    modifiers: Mapping[str, Any] | None = None


#: For a queue and a threshold in messages a pod.
QueueTrigger = Callable[[str, int], Watched]


@dataclass(frozen=True)
class Server:
    """A server as a client sees it."""

    #: What a client finds in its environment; never a password.
    environment: Mapping[str, pulumi.Input[str]]
    #: What must be there before a client starts.
    ready: tuple[pulumi.Resource, ...]
    #: Whether its users are our roles with our passwords; else each role has a Secret with both (`naming.s3_secret`).
    own_users: bool = True
    #: Who signs its certificate, where that is not our authority: beside the passwords of its clients.
    authorities: Files | None = None


@dataclass(frozen=True)
class Given:
    """What is known of servers before they are made, or because somebody else made them."""

    broker_host: pulumi.Input[str]
    #: Passwords that are not generated here, by role and server.
    passwords: Mapping[tuple[str, str], pulumi.Output[str]]


@dataclass(frozen=True)
class Backends:
    """Everything that the application talks to."""

    broker: Server
    result_backend: Server
    #: Through the pool of connections.
    database: Server
    #: Past the pool, for what needs a session of its own: migrations, retention, the operator.
    database_direct: Server
    #: S3, where the stack has one.
    uploads: Server | None
    #: Changes with a role's passwords and with whom everybody trusts: pods read both once, when they start.
    secrets_hash: Callable[[str], pulumi.Output[str]]
    queue_trigger: QueueTrigger
